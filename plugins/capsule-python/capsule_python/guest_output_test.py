"""What a sandbox starts with, and what it prints."""

from __future__ import annotations

import pytest
import wasmtime

from capsule_python.harness_test import World, program, run


def test_long_output_is_complete() -> None:
    outcome = run(
        "import sys\ndef main():\n    print('x' * 1_000_000)\n    print('y' * 100_000, file=sys.stderr)\n"
    )
    assert outcome.stdout == "x" * 1_000_000 + "\n"
    assert outcome.stderr == "y" * 100_000 + "\n"


def test_many_lines_are_complete_and_in_order() -> None:
    outcome = run("def main():\n    for n in range(5000):\n        print(n)\n")
    assert outcome.stdout.split() == [str(n) for n in range(5000)]


def test_output_of_a_failing_task_and_of_loading_arrives() -> None:
    source = "print('loading')\ndef main():\n    print('running', end='')\n    raise SystemExit\n"
    assert run(source).stdout == "loading\nrunning"


def test_output_is_handed_over_before_the_host_waits() -> None:
    source = (
        "import time\ndef main():\n    print('before', end='')\n    time.sleep(0.01)\n    print('after')\n"
    )
    world = World(program(source))
    seen = []
    log = world.log

    class Watched(list[str]):
        def append(self, line: str) -> None:
            seen.append(line)
            super().append(line)

    world.log = Watched(log)
    assert world.run().stdout == "beforeafter\n"
    assert any(line.startswith("sleep") for line in seen)


def test_output_before_a_trap_is_not_lost_after_a_while() -> None:
    source = """
import time
def main():
    for n in range(3):
        until = time.monotonic() + 0.06
        while time.monotonic() < until:
            pass
        print("line", n)
    while True:
        pass
"""
    world = World(program(source), fuel=2_000_000_000)
    with pytest.raises(wasmtime.WasmtimeError) as trap:
        world.run()
    assert "line 2" in "".join(trap.value.__notes__)


def test_text_that_is_not_unicode_is_printed_escaped() -> None:
    assert run("def main():\n    print('\\ud800é')\n").stdout == "\\ud800é\n"


def test_replaced_streams_break_nothing() -> None:
    assert (
        run("import sys\ndef main():\n    sys.stdout = None\n    sys.stderr = 3\n    return 1\n").result == 1
    )


def test_standard_input_is_empty() -> None:
    source = """
import sys
def main():
    try:
        input()
    except EOFError:
        return sys.stdin.read()
"""
    assert run(source).result == ""


def test_sandboxes_differ_in_what_must_be_random() -> None:
    source = """
import os, random, secrets, tempfile, uuid
def main():
    return [random.random(), secrets.token_hex(), str(uuid.uuid4()), str(uuid.uuid1()), os.urandom(8).hex(),
        random.Random().random(), random.SystemRandom().random()]
"""
    world = World(program(source))
    first, second = world.run().result, world.run().result
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_the_interpreter_looks_ordinary() -> None:
    source = """
import os, sys
def main():
    return [sys.argv, sys.flags.optimize, sys.flags.utf8_mode in (0, 1), os.getcwd(), dict(os.environ),
        __name__, sys.version_info[:2], os.environ is os.environ, sys.getrecursionlimit(), sys.path]
"""
    outcome = World(program({"main.py": source}), env={"A": "b"}).run()
    assert outcome.result == [["main.py"], 0, True, "/", {"A": "b"}, "main", [3, 14], True, 1000, ["/app"]]


def test_the_guest_sees_no_packages_of_the_builders() -> None:
    source = """
import importlib, os
def main():
    found = [folder for folder in ("/0", "/1", "/python", "/bundled") if os.path.exists(folder)]
    for name in ("pip", "pytest", "wasmtime", "platformdirs", "xxhash", "setuptools"):
        try:
            importlib.import_module(name)
            found.append(name)
        except ModuleNotFoundError:
            pass
    return found
"""
    assert run(source).result == []


def test_files_outside_the_mounts_can_not_be_opened() -> None:
    error = run("def main():\n    open('/etc/passwd')\n").error
    assert error["error_type"] in ("task_error", "permission_denied")
