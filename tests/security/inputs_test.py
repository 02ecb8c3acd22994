"""Files of a project that are something else: devices, pipes, endless files, links out, files of others.

Each is put in the place of an input. Reading the program has to end at once, in an error that names the file,
and without the memory that the trap is worth.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

STRANGER = 54321

TRAPS = ("/dev/zero", "/proc/self/environ", "a pipe", "a terabyte", "a link out")

PROGRAMS = {
    "python": {
        "main.py": "import helper, yaml\ndef main(): return 1\n",
        "helper.py": "",
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n',
        "capsule.toml": "",
    },
    "typescript": {
        "main.ts": 'import "./lib/util"; import x from "pkg";\nexport function main() { return x }\n',
        "lib/util.ts": "export const y = 1",
        "lib/tsconfig.json": "{}",
        "tsconfig.json": "{}",
        "package.json": "{}",
        "node_modules/pkg/package.json": '{"name": "pkg", "main": "index.js"}',
        "node_modules/pkg/index.js": "export default 1\n//# sourceMappingURL=index.js.map\n",
        "node_modules/pkg/index.js.map": '{"version": 3, "sources": [], "names": [], "mappings": ""}',
        "capsule.toml": "",
    },
    "c": {
        "main.c": '// capsule: sources = ["lib/*.c"]\n#include "util.h"\n',
        "util.h": "",
        "lib/a.c": "",
        "capsule.toml": "",
    },
    "wat": {"main.wat": "(component)", "capsule.toml": ""},
    "wasm": {"main.wasm": "", "capsule.toml": ""},
}

READ = """
import json, os, resource, shutil, sys, time
from pathlib import Path

root, outside, programs, traps = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:]
from capsule.build.pipeline import plan
from capsule.build.reading import read_artifact
from capsule.errors import CapsuleError
from capsule.frontend.manager import plugins
from capsule.project.opened import open_project

def write():
    shutil.rmtree(root, ignore_errors=True)
    for name, text in programs.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

def read():
    source = root / next(iter(programs))
    project = open_project(source, root, plugins())
    if source.suffix == ".wasm":
        return read_artifact(project.source)
    return plan(project, plugins(), progress=lambda message: None)

def put(path, trap):
    path.unlink()
    if trap == "a pipe":
        os.mkfifo(path)
    elif trap == "a terabyte":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.symlink_to(outside if trap == "a link out" else trap)

write()
try:
    read()
except CapsuleError as error:
    assert "main.wasm" in programs, error  # no artifact, but one that was read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in programs:
    for trap in traps:
        write()
        put(root / name, trap)
        started = time.monotonic()
        try:
            read()
            said = "read"
        except CapsuleError as error:
            said = str(error)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps([name, trap, said, time.monotonic() - started, grown]), flush=True)
"""


@pytest.mark.parametrize("language", PROGRAMS)
def test_an_input_that_is_a_device_a_pipe_endless_or_outside(project, python, tmp_path, language):
    outside = tmp_path / "outside"
    outside.write_text("the secret of the host\n")
    programs = PROGRAMS[language]
    done = python(READ, str(project / "p"), str(outside), json.dumps(programs), *TRAPS, timeout=60)
    assert done.status == 0, done
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(programs) * len(TRAPS)
    for name, trap, said, seconds, grown in rows:
        row = (name, trap, said)
        # The file that the operator named may lie anywhere; of what it leads to, only a regular file is read.
        named = name.startswith("main.") and trap in ("/proc/self/environ", "a link out")
        # What an import leads to is told at the import.
        told = name.rpartition("/")[2].removesuffix(".map") in said or said.startswith("main.ts:1: ")
        assert named or (said != "read" and told), row
        assert "secret" not in said, row
        assert "Traceback" not in said, row
        assert seconds < 5, row
        assert grown < 100 << 10, row


def test_a_source_exchanged_for_a_link_while_it_is_read(project):
    """The race that looking after opening loses: 397 of 183,018 reads gave a file from outside."""
    from capsule_python.tree import DiskTree

    from capsule.errors import BuildError

    project.write("kept.py", "inside")
    secret = project.root.parent / "secret.py"
    secret.write_text("outside")
    place, link, again = project / "helper.py", project / "link", project / "again"
    os.link(project / "kept.py", place)
    ended = threading.Event()

    def exchange():
        while not ended.is_set():
            link.symlink_to(secret)
            link.replace(place)
            os.link(project / "kept.py", again)
            again.replace(place)

    racer = threading.Thread(target=exchange)
    racer.start()
    tree = DiskTree(project.root)
    seen = set()
    try:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            try:
                seen.add(tree.read("helper.py"))
            except BuildError:
                seen.add("refused")
    finally:
        ended.set()
        racer.join()
    assert seen == {b"inside", "refused"}


def test_patterns_of_members_with_many_any_depths(project, cli, said):
    """Each ``**`` was followed on its own, and twenty of them had no end."""
    for number in range(200):
        project.write(f"{'/'.join('abcdefghijkl')}/{number}/x.py", "")
    pattern = "/".join(["**", "*"] * 12)
    project.write("capsule.toml", f'[workspace]\nmembers = ["{pattern}/main.py", "!{pattern}/x/y"]\n')
    started = time.monotonic()
    said(cli("build", timeout=30), "capsule.toml:2", "names no source", status=2)
    assert time.monotonic() - started < 15


def test_sources_of_a_c_program_with_many_any_depths(project, python):
    project.write(f"{'/'.join('abcdefghij' * 3)}/x.h", "")
    project.write("main.c", f'// capsule: sources = ["{"/".join(["**", "*"] * 12)}/*.c"]\n')
    done = python(
        """
        import sys
        from pathlib import Path
        from capsule_c.sources import read_program
        from capsule.errors import BuildError
        try:
            read_program(Path(sys.argv[1], "main.c"), Path(sys.argv[1]))
        except BuildError as error:
            print(error.message[:17])
        """,
        str(project.root),
        timeout=30,
    )
    assert done.stdout == "no source matches\n"


@pytest.fixture
def shared(project):
    """A folder that anybody may write, as a shared ``/tmp``, with a project of mine in it."""
    project.root.chmod(0o1777)
    project.write("mine/main.py", "def main():\n    import helper\n    return 'mine'\n")
    project.write("mine/helper.py", "")
    project.write("mine/main.ts", "export function main() { return 'mine' }\n")
    return project


def strange(path: Path) -> None:
    os.lchown(path, STRANGER, -1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["capsule.toml", "package.json", "tsconfig.json", "node_modules"])
def test_settings_of_somebody_else_in_a_shared_folder_above(shared, cli, said, name):
    path = shared / name
    if name == "node_modules":
        path.mkdir()
    else:
        path.write_text("" if name == "capsule.toml" else "{}")
    strange(path)
    source = "mine/main.py" if name == "capsule.toml" else "mine/main.ts"
    refused = cli("tasks", Path(source).name, cwd=shared / "mine")
    said(refused, str(path), f"uid {STRANGER}", f"export CAPSULE_SAFE_DIRECTORIES={shared.root}", status=2)
    trusted = {"CAPSULE_SAFE_DIRECTORIES": str(shared.root)}
    assert cli("tasks", Path(source).name, cwd=shared / "mine", env=trusted).status == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("where", ["the working folder", "the way as typed"])
def test_ceilings_of_somebody_else_on_the_way_to_a_file(shared, cli, said, where):
    """They hold besides the project's own, and would decide who may write, or what a signature must be of."""
    shared.write("mine/capsule.toml", "")
    shared.write("theirs/capsule.toml", "[limits]\nram = '64MB'\n")
    (shared / "theirs/link.py").symlink_to(shared / "mine/main.py")
    strange(shared / "theirs/capsule.toml")
    if where == "the working folder":
        done = cli("explain", "../mine/main.py", cwd=shared / "theirs")
    else:
        done = cli("explain", "theirs/link.py", cwd=shared.root)
    said(done, str(shared / "theirs/capsule.toml"), f"uid {STRANGER}", status=2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_link_of_somebody_else_to_a_file_of_mine(shared, cli, said):
    """The file's owner is me: whoever put the link there chose that it counts."""
    shared.write("mine/inner/capsule.toml", "")
    (shared / "capsule.toml").symlink_to("mine/inner/capsule.toml")
    strange(shared / "capsule.toml")
    said(cli("tasks", "main.py", cwd=shared / "mine"), f"uid {STRANGER}", status=2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", [".env", "pyproject.toml"])
def test_values_and_requirements_of_somebody_else(shared, cli, said, name):
    shared.write("mine/capsule.toml", '[tasks]\ndefault_env_variables = ["WANTED"]\n')
    shared.write("mine/main.py", "import yaml\ndef main(): return 1\n")
    project = shared.write(f"mine/{name}", "WANTED=1\n" if name == ".env" else '[project]\nname = "x"\n')
    strange(project)
    if name == ".env":
        shared.write("mine/main.py", "def main(): return 1\n")
    said(cli("run", "main.py", cwd=shared / "mine"), str(project), f"uid {STRANGER}", status=2)


def test_a_project_cannot_say_whose_files_are_trusted(shared, cli, said):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    shared.write(".env", "CAPSULE_SAFE_DIRECTORIES=*\n")
    shared.write("capsule.toml", '[tasks]\ndefault_env_variables = ["CAPSULE_SAFE_DIRECTORIES"]\n')
    strange(shared / "capsule.toml")
    said(cli("tasks", "main.py", cwd=shared / "mine"), f"uid {STRANGER}", status=2)


def test_a_file_of_arguments_that_never_ends(project, cli, said):
    """It may be one of the repository's: a link to a device says that it has no size."""
    project.write("main.py", "def main(x): return x\n")
    (project / "args.json").symlink_to("/dev/zero")
    said(cli("run", "main.py", "--args-file", "args.json", timeout=30), "args.json is larger", status=2)
