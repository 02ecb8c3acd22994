"""Attacks through folders: a ``.capsule`` that came with a clone, and a poisoned user cache."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

import pytest
from capsule_cache import Key

from capsule import CapsuleError, run_sync
from capsule.build import pipeline
from capsule.launch.journals import close_journals

SOURCE = "def main():\n    return 'good'\n"


@pytest.fixture
def built(project, fresh):
    """A project that was built and run; what this process remembers of it is forgotten."""
    project.write("main.py", SOURCE)
    assert run_sync(project / "main.py", cwd=project.root).result == "good"
    close_journals()
    return project


@pytest.fixture
def fresh(monkeypatch):
    """Forgets the programs that this process has loaded, as a new process has."""

    def forget():
        monkeypatch.setattr("capsule.launch.prepare._remembered", {})

    forget()
    return forget


def rerun(project, fresh):
    fresh()
    try:
        return run_sync(project / "main.py", cwd=project.root)
    finally:
        close_journals()


@pytest.fixture
def evil(tmp_path, fresh):
    """The artifact of another program, with the seal of another user."""
    from capsule.launch.journals import close_journals

    root = tmp_path / "evil"
    root.mkdir()
    (root / "main.py").write_text("def main():\n    return 'evil'\n")
    assert run_sync(root / "main.py", cwd=root).result == "evil"
    close_journals()
    [path] = (root / ".capsule/wasm").glob("*.wasm")
    return path


def test_a_fake_artifact_for_the_right_key(built, evil, fresh):
    [path] = built.artifacts()
    path.write_bytes(evil.read_bytes())
    assert rerun(built, fresh).result == "good"


def test_a_fake_artifact_with_a_seal_of_its_own(built, evil, fresh):
    """Payload and seal of another entry, both real, under the right names."""
    [path] = built.artifacts()
    path.write_bytes(evil.read_bytes())
    Path(f"{path}.seal").write_bytes(Path(f"{evil}.seal").read_bytes())
    assert rerun(built, fresh).result == "good"


def test_a_fake_artifact_under_its_own_name_and_the_right_key(built, evil, fresh):
    [path] = built.artifacts()
    shutil.copy(evil, path)
    seal = Path(f"{evil}.seal").read_bytes()
    Path(f"{path}.seal").write_bytes(seal.replace(evil.name.encode(), path.name.encode()))
    assert rerun(built, fresh).result == "good"


def test_one_byte_of_an_artifact_changed(built, fresh):
    [path] = built.artifacts()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert rerun(built, fresh).result == "good"


@pytest.mark.parametrize("what", ["", ".seal"])
@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling", "device", "huge", "empty", "link to another"])
def test_something_else_in_the_place_of_an_entry(built, evil, fresh, what, kind):
    [path] = built.artifacts()
    target = Path(f"{path}{what}")
    target.unlink()
    if kind == "folder":
        target.mkdir()
    elif kind == "fifo":
        os.mkfifo(target)
    elif kind == "huge":
        with target.open("wb") as file:
            file.truncate(1 << 36)
    elif kind == "empty":
        target.write_bytes(b"")
    else:
        links = {"dangling": "nowhere", "device": "/dev/zero", "link to another": f"{evil}{what}"}
        target.symlink_to(links[kind])
    started = time.monotonic()
    assert rerun(built, fresh).result == "good"
    assert time.monotonic() - started < 10
    if kind == "link to another":
        assert evil.exists()


@pytest.mark.parametrize("part", [".capsule", ".capsule/wasm"])
@pytest.mark.parametrize("kind", ["link out", "dangling", "file", "fifo"])
def test_something_else_in_the_place_of_the_folder(project, tmp_path, fresh, part, kind):
    """Nothing is written where a link leads, and the run succeeds all the same."""
    project.write("main.py", SOURCE)
    away = tmp_path / "away"
    away.mkdir()
    target = project / part
    target.parent.mkdir(exist_ok=True)
    if kind == "file":
        target.write_text("x")
    elif kind == "fifo":
        os.mkfifo(target)
    else:
        target.symlink_to(away if kind == "link out" else tmp_path / "missing")
    assert rerun(project, fresh).result == "good"
    assert list(away.iterdir()) == []
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(
    "kind",
    ["fifo", "folder", "device", "link out", "garbage", "huge", "foreign database", "trigger", "short"],
)
def test_a_hostile_record_of_runs(project, tmp_path, fresh, cli, kind):
    project.write("main.py", SOURCE)
    (project / ".capsule").mkdir()
    target = project / ".capsule/trace.db"
    away = tmp_path / "away.db"
    away.write_bytes(b"precious")
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "device":
        target.symlink_to("/dev/zero")
    elif kind == "link out":
        target.symlink_to(away)
    elif kind == "garbage":
        target.write_bytes(os.urandom(5000))
    elif kind == "short":
        target.write_bytes(b"SQLite format 3\0")
    elif kind == "huge":
        with target.open("wb") as file:
            file.write(b"SQLite format 3\0")
            file.truncate(1 << 36)
    else:
        with sqlite3.connect(target) as database:
            database.execute("CREATE TABLE runs (id TEXT, state TEXT)")
            if kind == "trigger":
                database.execute(
                    "CREATE TRIGGER t AFTER INSERT ON runs BEGIN SELECT load_extension('evil.so'); END"
                )
    started = time.monotonic()
    assert rerun(project, fresh).result == "good"
    done = cli("trace", timeout=60)
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 10
    assert away.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["trace.db-wal", "trace.db-shm", "trace.db-journal", ".gitignore", "wit"])
@pytest.mark.parametrize("kind", ["fifo", "link out", "folder"])
def test_hostile_companions(project, tmp_path, fresh, name, kind):
    project.write("main.py", SOURCE)
    (project / ".capsule").mkdir()
    target = project / ".capsule" / name
    away = tmp_path / "away"
    away.write_bytes(b"precious")
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(away)
    assert rerun(project, fresh).result == "good"
    assert away.read_bytes() == b"precious"


def test_native_code_in_the_project_is_never_loaded(built, user_cache, fresh):
    """The layout of the reference implementation: machine code beside the artifact."""
    [path] = built.artifacts()
    planted = path.with_suffix(".cwasm")
    planted.write_bytes(b"\x7fELF" + os.urandom(1000))
    before = planted.stat()
    assert rerun(built, fresh).result == "good"
    assert planted.stat().st_atime_ns == before.st_atime_ns
    assert list((user_cache / "compiled").glob("*.cwasm"))


# A project's settings


@pytest.mark.parametrize("kind", ["fifo", "folder", "dangling", "device", "huge", "binary"])
@pytest.mark.parametrize("name", ["capsule.toml", "pyproject.toml", ".env", "main.py"])
def test_hostile_settings(project, name, kind):
    """An error for people, or no notice at all; neither another error, nor a wait, nor a full memory."""
    project.write("main.py", SOURCE)
    target = project / name
    target.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "huge":
        with target.open("wb") as file:
            file.truncate(1 << 36)
    elif kind == "binary":
        target.write_bytes(b"\xff\xfe\0" * 100)
    else:
        target.symlink_to("nowhere" if kind == "dangling" else "/dev/zero")
    started = time.monotonic()
    with suppress(CapsuleError):
        assert run_sync(project / "main.py", cwd=project.root).result == "good"
    assert time.monotonic() - started < 5


# The user's cache


@pytest.mark.parametrize("kind", ["open to others", "file", "link to a file"])
def test_a_cache_that_is_not_the_user_s_alone(project, cli, said, tmp_path, kind):
    project.write("main.py", SOURCE)
    cache = tmp_path / "cache"
    if kind == "open to others":
        cache.mkdir()
        cache.chmod(0o777)
    elif kind == "file":
        cache.write_text("x")
    else:
        cache.symlink_to(project / "main.py")
    done = cli("run", "main.py", env={"CAPSULE_CACHE_DIR": str(cache)}, timeout=60)
    said(done, "cache", "hint:", status=2)


@pytest.mark.parametrize("part", ["compiled", "engines"])
def test_a_part_of_the_cache_that_others_can_write(component, project, cli, tmp_path, part):
    component()
    cache = tmp_path / "cache"
    (cache / part).mkdir(parents=True)
    cache.chmod(0o700)
    (cache / part).chmod(0o777)
    done = cli("exec", "main.wasm", env={"CAPSULE_CACHE_DIR": str(cache)}, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    if part == "compiled":
        assert done.status == 2, done
        assert "open to other users" in done.stderr


def test_a_poisoned_entry_of_compiled_code_is_rebuilt(
    component, hostile, project, user_cache, fresh, monkeypatch
):
    """Machine code that was changed after it was sealed does not run."""
    marker = f'{{"result": "{os.urandom(8).hex()}"}}'
    path = component(hostile.text(answer=marker))
    before = set((user_cache / "compiled").glob("*.cwasm"))
    assert run_sync(path, cwd=project.root).success
    [made] = set((user_cache / "compiled").glob("*.cwasm")) - before
    data = bytearray(made.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 64):
        data[at] ^= 0xFF
    made.write_bytes(data)
    fresh()
    monkeypatch.setattr("capsule.build.compiled._loaded", {})
    assert run_sync(path, cwd=project.root).success
    assert made.read_bytes() != bytes(data)


def test_a_source_with_the_key_of_another_does_not_get_its_artifact(project, monkeypatch):
    """Sources that were made to collide (`collision_test.py` makes a pair), in one folder and process."""
    derive = pipeline.derive_key
    monkeypatch.setattr(pipeline, "derive_key", lambda **inputs: Key("0" * 32, derive(**inputs).digest))
    for number in (1, 2, 1):
        assert project.run(f"def main():\n    return {number}\n").unwrap() == number
    assert len(project.artifacts()) == 1, "all of them are kept under one name"
