"""Files that a task may not use: what its code gets, and what the host is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capsule_python.harness_test import World, program

_SOURCE = """
import contextlib, gzip, io, mimetypes, os, pathlib, shutil, tempfile, zoneinfo

USES = {
    "open": lambda path: open(path),
    "open for writing": lambda path: open(path, "a"),
    "io.open": lambda path: io.open(path, mode="rb"),
    "io.FileIO": lambda path: io.FileIO(path),
    "os.open": lambda path: os.open(path, os.O_RDONLY),
    "os.open for writing": lambda path: os.open(path, os.O_WRONLY | os.O_CREAT),
    "listdir": os.listdir,
    "bytes": lambda path: os.listdir(os.fsencode(path)),
    "walk": lambda path: next(os.walk(path, onerror=raising)),
    "mkdir": os.mkdir,
    "makedirs": os.makedirs,
    "remove": os.remove,
    "rename": lambda path: os.rename("/in/a.txt", path),
    "stat": os.stat,
    "chdir": os.chdir,
    "getsize": os.path.getsize,
    "read_text": lambda path: pathlib.Path(path).read_text(),
    "write_text": lambda path: pathlib.Path(path).write_text("x"),
    "iterdir": lambda path: list(pathlib.Path(path).iterdir()),
    "Path.mkdir": lambda path: pathlib.Path(path).mkdir(parents=True),
    "copy": lambda path: shutil.copy(path, "/in/copy"),
    "copytree": lambda path: shutil.copytree("/in", path),
    "gzip": lambda path: gzip.open(path),
}

def raising(error):
    raise error

def use(how, path):
    try:
        return repr(USES[how](path))
    except OSError as error:
        return [type(error).__name__, isinstance(error, PermissionError), error.errno == 2, str(error)]

def uncaught(how, path):
    USES[how](path)

def quiet():
    found = [os.path.exists("data/x"), pathlib.Path("data/x").exists(), os.path.isdir("/data")]
    found.append(os.access("data", os.R_OK))
    mimetypes.init()
    with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError):
        zoneinfo.ZoneInfo("Europe/Nowhere")
    with contextlib.suppress(FileNotFoundError):
        open("settings.ini")
    pathlib.Path("data/x").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir="/in") as folder:
        found.append(os.path.exists(folder))
    found.append(os.path.exists(folder))
    return found

def temporary():
    try:
        tempfile.mkdtemp()
    except OSError as error:
        return str(error)

def probed():
    try:
        os.stat("data/x")
    except FileNotFoundError as error:
        return "x" if error.errno else error

def shown():
    try:
        os.stat("data/x")
    except FileNotFoundError as error:
        return [error.strerror, error.filename, str(error)]

def surface():
    import inspect
    class Holder:
        opener, stat = open, os.stat
    return [
        list(inspect.signature(open).parameters)[:2], open.__name__, os.stat in os.supports_follow_symlinks,
        Holder().opener("/in/a.txt").read(), Holder().stat("/in/a.txt").st_size, open.__doc__ is not None,
    ]

def main(): pass
"""
TASKS = ["use", "uncaught", "quiet", "temporary", "probed", "shown", "surface"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "a.txt").write_text("one")
    source = _SOURCE + "\nfrom capsule import task\n" + "".join(f"{name} = task({name})\n" for name in TASKS)
    return World(program(source), mounts=[(tmp_path, "/in")])


def denials(world: World) -> list[str]:
    return [line for line in world.log if line.startswith("denial ")]


HOW = """
    open, open for writing, io.open, os.open, os.open for writing, listdir, bytes, walk, mkdir, makedirs,
    remove, rename, stat, chdir, getsize, read_text, write_text, iterdir, Path.mkdir, copy, copytree, gzip
"""


def test_whatever_is_denied_says_why(world: World) -> None:
    for how in (name.strip() for name in HOW.split(",")):
        answer = world.run("use", how, "data/x").result
        assert answer[:3] == ["PermissionError", True, True], (how, answer)
        assert "Permission denied: the folder is not for this task: " in answer[3], (how, answer)


@pytest.mark.parametrize("how", ["open", "io.FileIO", "read_text"])
def test_the_outcome_is_permission_denied(world: World, how: str) -> None:
    error = world.run("uncaught", how, "/data/x").error
    assert error["error_type"] == "permission_denied"
    assert "the folder is not for this task" in error["message"]


def test_the_host_is_told_what_was_to_be_done(world: World) -> None:
    for how in ("open", "write_text", "listdir", "os.open for writing", "mkdir"):
        world.run("use", how, "data/x")
    assert denials(world) == [
        "denial data/x",
        "denial data/x change",
        "denial data/x folder",
        "denial data/x change",
        "denial data/x change",
    ]


def test_a_missing_file_in_a_granted_folder_stays_missing(world: World) -> None:
    answer: list[Any] = world.run("use", "open", "/in/none").result
    assert answer[:2] == ["FileNotFoundError", False]
    assert denials(world) == []


def test_code_that_does_without_a_file_goes_on_quietly(world: World) -> None:
    assert world.run("quiet").result == [False, False, False, False, True, False]
    # What merely looks asks nothing; what was to be opened or removed is the host's to record.
    assert denials(world) == ["denial settings.ini", "denial data/x change"]


def test_looking_for_room_for_temporary_files_is_one_denial(world: World) -> None:
    assert "the folder is not for this task" in world.run("temporary").result
    assert denials(world) == ["denial tmp folder change"]


def test_what_only_looks_asks_the_host_when_its_error_is_read(world: World) -> None:
    assert world.run("probed").result == "x"
    assert denials(world) == []
    why, path, text = world.run("shown").result
    assert why == "Permission denied: the folder is not for this task"
    assert (path, text) == ("data/x", f"[Errno 2] {why}: 'data/x'")
    assert denials(world) == ["denial data/x"]


def test_where_the_policy_is_not_the_reason_the_error_stays(world: World) -> None:
    world.denial = None
    assert world.run("use", "open", "data/x").result[0] == "FileNotFoundError"


def test_the_functions_look_and_behave_like_pythons_own(world: World) -> None:
    assert world.run("surface").result == [["file", "mode"], "open", True, "one", 3, True]
