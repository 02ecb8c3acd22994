"""Attacks on what the host does for a guest: work that fuel does not see, and room on its disks."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest

from capsule import run_sync

pytestmark = pytest.mark.slow

CODEC = {
    "imports": """
      (import "capsule:runtime/codec@1.0.0" (instance $codec
        (type $why (enum "unknown-algorithm" "invalid-data" "too-large"))
        (export "failure" (type $failure (eq $why)))
        (type $r (record (field "reason" $failure) (field "message" string)))
        (export "error" (type $error (eq $r)))
        (type $f (enum "gzip" "zlib" "deflate"))
        (export "format" (type $format (eq $f)))
        (export "compress" (func (param "format" $format) (param "level" u8) (param "data" string)
          (result (result string (error $error)))))))
      (core module $libc (memory (export "memory") 512)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536))
      (core instance $libc (instantiate $libc))
      (core func $compress (canon lower (func $codec "compress")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))""",
    "core_imports": """(import "host" "compress" (func $compress (param i32 i32 i32 i32 i32)))""",
    "with_": """(with "host" (instance (export "compress" (func $compress))))""",
}
"""Imports ``compress``, over a memory of 32 MiB full of zeros: no base64, but read all the same."""

SLEEP = {
    "imports": """
      (import "capsule:runtime/clock@1.0.0" (instance $clock
        (export "sleep" (func (param "nanoseconds" u64)))))
      (core func $sleep (canon lower (func $clock "sleep")))""",
    "core_imports": """(import "host" "sleep" (func $sleep (param i64)))""",
    "with_": """(with "host" (instance (export "sleep" (func $sleep))))""",
}


def timed(function, *arguments, **named):
    started = time.monotonic()
    return function(*arguments, **named), time.monotonic() - started


# Calls of the host


@pytest.fixture
def endless_calls(component, hostile, project):
    """Runs a component that calls the host for ever, and does next to nothing itself."""

    def run(call, parts, **policy):
        path = component(hostile.text(f"(loop {call} (br 0))", **parts), **policy)
        return timed(run_sync, path, cwd=project.root)

    return run


def test_endless_calls_of_the_host_end_by_fuel(endless_calls):
    """Five instructions for each call: by those alone, it could make 20 million calls."""
    envelope, seconds = endless_calls("(call $sleep (i64.const 0))", SLEEP, compute=100_000_000, timeout=None)
    assert envelope.error["error_type"] == "out_of_fuel", envelope
    assert 99_000_000 < envelope.execution["fuel_consumed"] <= 100_000_000
    assert seconds < 30


def test_endless_calls_of_the_host_end_at_the_deadline(endless_calls):
    envelope, seconds = endless_calls("(call $sleep (i64.const 0))", SLEEP, compute=10**15, timeout=0.3)
    assert envelope.error["error_type"] == "timeout", envelope
    assert seconds < 5


def test_endless_arguments_of_megabytes_end_by_fuel_and_do_not_pile_up(endless_calls, memory_grows_at_most):
    """Each call hands over 20 MB, which is refused: what that costs the host costs the guest."""
    call = (
        "(call $compress (i32.const 0) (i32.const 9) (i32.const 1024) (i32.const 20000000) (i32.const 128))"
    )
    with memory_grows_at_most(400 << 20):
        envelope, seconds = endless_calls(call, CODEC, compute=500_000_000, timeout=None)
    assert envelope.error["error_type"] == "out_of_fuel", envelope
    assert seconds < 30


HTTP = {
    "imports": """
      (import "capsule:runtime/http@1.0.0" (instance $http
        (export "start" (func (param "request" string) (result u64)))))
      (core module $libc (memory (export "memory") 1))
      (core instance $libc (instantiate $libc))
      (core func $start (canon lower (func $http "start") (memory (core memory $libc "memory"))))""",
    "core_imports": """(import "host" "start" (func $start (param i32 i32) (result i64)))""",
    "with_": """(with "host" (instance (export "start" (func $start))))""",
}


def test_handles_that_nobody_takes_end_by_fuel(endless_calls, memory_grows_at_most):
    with memory_grows_at_most(200 << 20):
        envelope, seconds = endless_calls(
            "(drop (call $start (i32.const 0) (i32.const 0)))", HTTP, compute=60_000_000, timeout=None
        )
    assert envelope.error["error_type"] == "out_of_fuel", envelope
    assert seconds < 30


@pytest.mark.parametrize(("mebibytes", "taken"), [(128, True), (129, False), (512, False)])
def test_one_argument_of_hundreds_of_megabytes(
    component, hostile, project, memory_grows_at_most, mebibytes, taken
):
    """wasmtime takes 128 MiB in one call, and no more; with all its copies that is 512 MiB of the host's."""
    parts = {**HTTP, "imports": HTTP["imports"].replace('"memory") 1)', '"memory") 8192)')}
    call = f"(drop (call $start (i32.const 0) (i32.const {mebibytes << 20})))"
    path = component(hostile.text(call, **parts), compute=10**12, timeout=20.0)
    with memory_grows_at_most((700 if taken else 100) << 20):
        envelope = run_sync(path, cwd=project.root, isolation="thread")
    assert envelope.success == taken, envelope
    if not taken:
        assert "more than 128 MiB at once" in envelope.error["message"]


def test_a_result_of_hundreds_of_megabytes(attack):
    envelope = attack("return 'x' * 140_000_000", options="compute='HIGH', ram='1GB', timeout='20s'")
    assert not envelope.success
    assert "more than 128 MiB at once" in envelope.error["message"], envelope


COMPRESS = """
    import { task } from "@capsule-run/sdk";
    import zlib from "node:zlib";

    export const main = task({ name: "main", compute: "HIGH", ram: "512MB", timeout: "1s" }, () => {
      const data = Buffer.alloc(16 << 20, "capsule ");
      for (;;) {
        zlib.gzipSync(data, { level: 9 });
      }
    });
"""


def test_compressing_for_ever_ends_at_the_deadline(project, memory_grows_at_most):
    """The host does it, where fuel does not count; each call takes 22 MB of text and gives little back."""
    project.run(COMPRESS, file="main.ts")  # what only the first run needs is there
    with memory_grows_at_most(300 << 20):
        envelope, seconds = timed(project.run, COMPRESS, file="main.ts")
    assert envelope.error["error_type"] == "timeout", envelope
    assert seconds < 6


# Results


def test_a_result_of_a_million_empty_lists(attack):
    """60 MB of empty lists held the interpreter for 3 s; now they are counted before they are made."""
    envelope = attack("return {'a': [[]] * 1_010_000}", options="compute=100_000_000_000, timeout='60s'")
    assert envelope.error["error_type"] == "result_too_large", envelope
    assert "2,000,000 values" in envelope.error["message"]


def test_a_long_text_that_looks_like_many_values_is_one(attack):
    body = "return '[,{' * 1_000_000"
    assert attack(body, options="compute='HIGH', timeout='30s'").unwrap() == "[,{" * 1_000_000


# Disk

FILL = {
    "one file": 'file = open("data/x", "wb")\nwhile True: file.write(bytes(1 << 20))',
    "many files": 'n = 0\nwhile True:\n    n += 1\n    open(f"data/{n}", "w").write("x")',
    "empty files": 'n = 0\nwhile True:\n    n += 1\n    open(f"data/{n}", "w").close()',
    "folders": 'n = 0\nwhile True:\n    n += 1\n    os.mkdir(f"data/{n}")',
    "links": 'n = 0\nwhile True:\n    n += 1\n    os.symlink("x" * 200, f"data/{n}")',
    "a file that has no name any more": 'file = open("data/x", "wb")\nos.remove("data/x")\n'
    "while True: file.write(bytes(1 << 20))",
    "the holes of a sparse file": 'file = open("data/x", "wb")\nfile.truncate(1 << 36)\n'
    "while True: file.write(bytes(1 << 20))",
    "folders in folders": 'path = "data"\nwhile True:\n    path += "/d"\n    os.mkdir(path)',
    "a mount": 'file = open("/mnt/x", "wb")\nwhile True: file.write(bytes(1 << 20))',
    "the end, at once": 'open("data/x", "wb").write(bytes(8 << 20))\nreturn "done"',
}


@pytest.fixture
def with_disk(attack, project):
    """Runs a body that may write in ``data`` and ``/mnt``, and may add 4 MB."""
    (project / "data").mkdir()
    (project / "mounted").mkdir()
    (project / "data/old").write_bytes(bytes(6 << 20))

    def run(body, limit="4MB", **more):
        return attack(
            body,
            options="allowed_files=['data'], compute=10**13, timeout='30s', max_retries=3",
            limits={"disk": limit},
            mounts=["mounted::/mnt"],
            **more,
        )

    yield run
    # Python's own way of removing a folder gives up on folders in folders in folders.
    subprocess.run(["rm", "-rf", project / "data"], check=True)


@pytest.mark.parametrize("body", FILL.values(), ids=FILL)
def test_filling_the_disk_ends_at_the_quota(with_disk, body):
    envelope = with_disk(body)
    assert envelope.error is not None, envelope
    assert envelope.error["error_type"] == "limit_exceeded", envelope
    assert "[limits] disk" in envelope.error["message"]
    assert envelope.execution["retries"] == 0


def test_a_sparse_file_of_a_terabyte_takes_no_room(with_disk):
    body = 'open("data/x", "wb").truncate(1 << 40)\nreturn os.stat("data/x").st_size'
    assert with_disk(body).unwrap() == 1 << 40


def test_what_is_removed_again_does_not_count(with_disk):
    body = """
        for _ in range(20):
            open("data/x", "wb").write(bytes(1 << 20))
            os.remove("data/x")
        return "done"
    """
    assert with_disk(body).unwrap() == "done"


def test_the_quota_is_the_run_s_and_not_the_task_s(project):
    """Each writes less than the quota; a task that writes nothing goes on, and sees what became of them."""
    (project / "data").mkdir()
    envelope = project.run(
        """
        from capsule import task

        @task(name="part", allowed_files=["data"])
        def part(number):
            open(f"data/{number}", "wb").write(bytes(1 << 20))

        @task(name="main")
        def main():
            ended = [part(number) for number in range(6)]
            return [done["error"]["error_type"] if done["error"] else "done" for done in ended]
        """,
        limits={"disk": "3500KB"},
    )
    assert envelope.unwrap() == ["done"] * 3 + ["limit_exceeded"] * 3


def test_a_neighbour_is_not_held_to_another_run_s_quota(with_disk, project):
    project.write(
        "good.py",
        """
        from capsule import task

        @task(name="main", allowed_files=["mine"])
        def main(number):
            open("mine/file", "wb").write(bytes(1 << 20))
            return number
        """,
    )
    bad = threading.Thread(target=with_disk, args=(FILL["one file"],))
    bad.start()
    outcomes = [run_sync(project / "good.py", [1], cwd=project.root)]
    while bad.is_alive():
        outcomes.append(run_sync(project / "good.py", [1], cwd=project.root))
    bad.join()
    assert all(envelope.result == 1 for envelope in outcomes), outcomes


def test_without_a_quota_nothing_is_measured(attack, project, monkeypatch):
    def never(limit):
        raise AssertionError("measured")

    monkeypatch.setattr("capsule.runtime.run.DiskQuota", never)
    (project / "data").mkdir()
    body = 'open("data/x", "wb").write(bytes(1 << 20))\nreturn "done"'
    assert attack(body, options="allowed_files=['data']").unwrap() == "done"
