"""Attacks on files: out of a granted folder, through it, and on what is granted for reading only."""

from __future__ import annotations

import os
import re
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from capsule import CapsuleError

TRY = """
def attempt(function, *arguments, **named):
    try:
        return function(*arguments, **named)
    except (OSError, ValueError) as error:
        return type(error).__name__

def read(path):
    with open(path) as file:
        return file.read()

def write(path, text="broken"):
    with open(path, "w") as file:
        file.write(text)
    return "written"
"""


@pytest.fixture
def secret(project):
    """A file of the project that no task is granted, beside a writable folder and a read-only one."""
    project.write("secret.txt", "secret")
    project.write("../outside.txt", "secret")
    project.write("data/in.txt", "42")
    project.write("fixed/in.txt", "42")
    return project / "secret.txt"


@pytest.fixture
def inside(attack, secret, project):
    """Runs a body with ``data`` writable and ``fixed`` read-only; then nothing outside may have changed."""

    def run(body, *args, **more):
        before = _outside(project.root)
        granted = "allowed_files=['data', {'path': 'fixed', 'mode': 'ro'}], timeout='5s'"
        found = attack(body, *args, top=TRY, options=granted, **more).unwrap()
        assert _outside(project.root) == before
        return found

    return run


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _outside(root: Path) -> dict[str, tuple[int, int, bytes]]:
    paths = [root / "secret.txt", root.parent / "outside.txt", root / "fixed/in.txt", root / "fixed"]
    return {
        str(path): (
            path.stat().st_mtime_ns,
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else str(_names(path)).encode(),
        )
        for path in paths
    }


FORMS = [
    "../secret.txt",
    "data/../secret.txt",
    "data/./../secret.txt",
    "data//..//secret.txt",
    "data/../data/../secret.txt",
    "data/../../outside.txt",
    "./data/.././secret.txt",
    "/secret.txt",
    "//secret.txt",
    "/data/../secret.txt",
    "/../secret.txt",
    "{root}/secret.txt",
    "//{root}/secret.txt",
    "/proc/self/root{root}/secret.txt",
    "/proc/self/environ",
    "/proc/self/cwd/secret.txt",
    "/proc/self/fd/0",
    "/dev/zero",
    "/etc/passwd",
    "C:\\secret.txt",
    "data\\..\\secret.txt",
    "data/..%2fsecret.txt",
    "data/\u2025/secret.txt",
    "data/\uff0e\uff0e/secret.txt",
    "file://{root}/secret.txt",
    "data/in.txt/../../secret.txt",
    "DATA/../secret.txt",
]


@pytest.mark.parametrize("form", FORMS)
def test_reading_and_writing_outside_by_a_path(inside, project, form):
    path = form.format(root=project.root)
    found = inside(
        "return [attempt(read, args[0]), attempt(write, args[0]), attempt(os.remove, args[0])]", path
    )
    assert "secret" not in found, found
    assert _names(project / "data") == ["in.txt"] or "%" in form


@pytest.mark.parametrize("path", ["data/in.txt\0.png", "\0", "data/\0../secret.txt"])
def test_a_nul_in_a_path(inside, path):
    assert inside("return attempt(read, args[0])", path) == "ValueError"


@pytest.mark.parametrize("length", [256, 5_000, 1_000_000])
def test_very_long_names(inside, length):
    assert inside("return attempt(write, 'data/' + 'x' * args[0])", length) in (
        "OSError",
        "FileNotFoundError",
    )
    assert (
        inside("return attempt(read, 'data/' + '../data/' * (args[0] // 8) + '../secret.txt')", length)
        != "secret"
    )


@pytest.mark.parametrize(
    "target",
    [
        "../secret.txt",
        "../secret.txt/",
        "/secret.txt",
        "{root}/secret.txt",
        "/etc/passwd",
        "../../outside.txt",
        ".",
    ],
)
def test_a_symbolic_link_made_by_the_guest_to_a_file(inside, project, target):
    found = inside(
        """
        attempt(os.symlink, args[0], "data/link")
        found = [attempt(read, "data/link"), attempt(read, "data/link/secret.txt")]
        # Where no link could be made, this makes a file: `inside` sees to it that nothing outside changes.
        attempt(write, "data/link")
        return found
        """,
        target.format(root=project.root),
    )
    assert all(each.endswith("Error") for each in found), found


@pytest.mark.parametrize("target", ["..", "../", "../.", "/", "{root}", "{root}/"])
@pytest.mark.parametrize("slash", ["", "/", "//", "/."])
def test_a_symbolic_link_made_by_the_guest_to_a_folder(inside, project, target, slash):
    found = inside(
        """
        attempt(os.symlink, args[0], "data/link")
        up = "data/link" + args[1]
        return [attempt(read, up + "/secret.txt"), attempt(write, up + "/new.txt"), attempt(os.listdir, up),
                attempt(os.mkdir, up + "/new"), attempt(os.rename, "data/in.txt", up + "/moved.txt")]
        """,
        target.format(root=project.root),
        slash,
    )
    assert all(isinstance(each, str) and each.endswith("Error") for each in found), found
    assert not list(project.root.glob("new*")) + list(project.root.glob("moved*"))


def test_a_chain_of_symbolic_links(inside):
    found = inside("""
        os.mkdir("data/a"); os.mkdir("data/a/b")
        attempt(os.symlink, "..", "data/a/b/up")
        attempt(os.symlink, "a/b/up/up2", "data/chain")
        attempt(os.symlink, "../..", "data/a/up2")
        attempt(os.symlink, "chain", "data/chain2")
        return [attempt(read, path + "/secret.txt") for path in
                ("data/chain", "data/chain2", "data/a/b/up/up2", "data/a/up2", "data/a/b/up/../../..")]
    """)
    assert "secret" not in found


def test_a_symbolic_link_that_is_moved_up_after_it_was_made(inside):
    """``../in.txt`` is inside where the link is made, and outside where it is moved to."""
    found = inside("""
        os.mkdir("data/deep")
        attempt(os.symlink, "../secret.txt", "data/deep/link")
        attempt(os.rename, "data/deep/link", "data/link")
        return [attempt(read, "data/link"), attempt(write, "data/link")]
    """)
    assert not {"secret", "written"} & set(found)


def test_a_folder_with_a_link_that_is_moved_up(inside):
    found = inside("""
        os.makedirs("data/one/two")
        attempt(os.symlink, "../../secret.txt", "data/one/two/link")
        attempt(os.rename, "data/one/two", "data/two")
        return attempt(read, "data/two/link")
    """)
    assert found != "secret"


def test_a_loop_of_symbolic_links_ends(inside):
    found = inside("""
        attempt(os.symlink, "two", "data/one"); attempt(os.symlink, "one", "data/two")
        attempt(os.symlink, "self/x", "data/self")
        return [attempt(read, "data/one"), attempt(os.stat, "data/self/x")]
    """)
    assert all(each.endswith("Error") for each in found)


def test_a_thousand_symbolic_links_in_a_row_end(inside):
    assert inside("""
        for number in range(1000):
            attempt(os.symlink, str(number + 1), f"data/{number}")
        return attempt(read, "data/0")
    """).endswith("Error")


@pytest.mark.parametrize("target", ["../secret.txt", "{root}/secret.txt", "../../outside.txt"])
def test_symbolic_links_that_lay_there_before(inside, project, target):
    (project / "data/link").symlink_to(target.format(root=project.root))
    (project / "data/up").symlink_to("..")
    found = inside("""
        return [attempt(read, "data/link"), attempt(write, "data/link"), attempt(read, "data/up/secret.txt"),
                attempt(os.chmod, "data/link", 0o777), attempt(os.utime, "data/link", (1, 1)),
                attempt(os.truncate, "data/link", 0), attempt(os.link, "data/link", "data/hard"),
                attempt(read, "data/hard")]
    """)
    assert not {"secret", "written"} & set(found), found


def test_hard_links_to_what_is_outside(inside):
    found = inside("""
        for source in ("../secret.txt", "/secret.txt", "data/../../outside.txt"):
            attempt(os.link, source, "data/hard")
        return attempt(read, "data/hard")
    """)
    assert found == "FileNotFoundError"


def test_hard_links_and_renames_from_a_read_only_folder_into_a_writable_one(inside):
    found = inside("""
        return [attempt(os.link, "fixed/in.txt", "data/hard"),
                attempt(os.rename, "fixed/in.txt", "data/moved"),
                attempt(os.rename, "fixed", "data/fixed"), attempt(write, "data/hard")]
    """)
    assert all(each for each in found[:3]), found


def test_changing_the_mode_of_a_read_only_file(inside):
    """The sandbox's C library says yes and does nothing; `inside` compares the modes."""
    inside("return attempt(os.chmod, 'fixed/in.txt', 0o777)")


def test_renames_and_links_from_a_writable_folder_into_a_read_only_one(inside):
    assert all(
        inside("""
        return [attempt(os.link, "data/in.txt", "fixed/hard"),
                attempt(os.rename, "data/in.txt", "fixed/moved"),
                attempt(os.rename, "data/in.txt", "fixed/in.txt"), attempt(os.symlink, "x", "fixed/link")]
    """)
    )


def test_renaming_and_removing_the_granted_folder_itself(inside, project):
    inside("""
        return [attempt(os.rename, "data", "gone"), attempt(os.rename, "data", "fixed"),
                attempt(os.rmdir, "data"),
                attempt(os.rename, "data/.", "data/x"), attempt(os.rename, "data", "data/x")]
    """)
    assert (project / "data/in.txt").read_text() == "42"


@pytest.mark.parametrize(
    "change",
    [
        "open('fixed/in.txt', 'w')",
        "open('fixed/in.txt', 'a')",
        "open('fixed/in.txt', 'r+')",
        "open('fixed/new.txt', 'x')",
        "os.open('fixed/in.txt', os.O_RDONLY | os.O_TRUNC)",
        "os.open('fixed/new.txt', os.O_RDONLY | os.O_CREAT)",
        "os.truncate('fixed/in.txt', 0)",
        "os.ftruncate(os.open('fixed/in.txt', os.O_RDONLY), 0)",
        "os.write(os.open('fixed/in.txt', os.O_RDONLY), b'x')",
        "os.rename('fixed/in.txt', 'fixed/moved.txt')",
        "os.replace('fixed/in.txt', 'fixed/moved.txt')",
        "os.remove('fixed/in.txt')",
        "os.utime('fixed/in.txt', (1, 1))",
        "os.utime('fixed', (1, 1))",
        "os.mkdir('fixed/new')",
        "os.rmdir('fixed')",
        "os.symlink('in.txt', 'fixed/link')",
        "os.link('fixed/in.txt', 'fixed/hard')",
        "os.mkfifo('fixed/fifo')",
    ],
)
def test_changing_a_read_only_folder(inside, change):
    """Nothing changes; `inside` compares contents, names, times and modes."""
    outcome = inside(f"""
        try:
            {change}
        except (OSError, AttributeError, NotImplementedError) as error:
            return type(error).__name__
        return "done"
    """)
    assert outcome != "done", change


@pytest.mark.parametrize(
    "change", ["open('/app/new', 'w')", "os.mkdir('/app/new')", "open('/lib/x', 'w')", "open('/x', 'w')"]
)
def test_changing_the_program_s_own_files(inside, change):
    assert (
        inside(f"""
        try:
            {change}
        except OSError as error:
            return "refused"
    """)
        == "refused"
    )


# Special files: what blocks must not outlive the deadline


@pytest.fixture
def special(attack, secret):
    def run(body, timeout="300ms"):
        started = time.monotonic()
        envelope = attack(body, top=TRY, options=f"allowed_files=['data'], timeout='{timeout}'")
        return envelope, time.monotonic() - started

    return run


@pytest.mark.parametrize(
    "body", ["read('data/fifo')", "write('data/fifo')", "open('data/fifo', 'r+b', 0).read(1)"]
)
def test_a_fifo_in_a_granted_folder_does_not_outlive_the_deadline(special, project, body):
    os.mkfifo(project / "data/fifo")
    envelope, seconds = special(body)
    try:
        assert envelope.error["error_type"] in ("timeout", "task_error"), envelope
        assert seconds < 2
    finally:  # let the thread that blocks go
        os.close(os.open(project / "data/fifo", os.O_RDWR | os.O_NONBLOCK))


def test_a_fifo_does_not_keep_the_command_alive(secret, project, cli):
    os.mkfifo(project / "data/fifo")
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="main", allowed_files=["data"], timeout="300ms")
        def main():
            open("data/fifo").read()
    """,
    )
    started = time.monotonic()
    done = cli("run", "main.py", "--json", timeout=30)
    assert done.envelope.error["error_type"] == "timeout"
    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_many_sub_tasks_that_block_in_a_fifo_hold_a_bounded_number_of_threads(
    project, secret, threads_stay_below
):
    os.mkfifo(project / "data/fifo")
    try:
        with threads_stay_below(threading.active_count() + 16 + 2 * 8 + 4):
            envelope = project.run(
                """
                from capsule import task

                @task(name="block", timeout="1ms", allowed_files=["data"])
                def block(number):
                    open("data/fifo").read()

                @task(name="main")
                def main():
                    return sorted({done.error["error_type"] for done in block.map(range(40))})
            """,
                limits={"concurrency": 8},
                isolation="thread",
            )
        assert envelope.unwrap() == ["limit_exceeded", "timeout"]
    finally:
        os.close(os.open(project / "data/fifo", os.O_RDWR | os.O_NONBLOCK))


def test_a_socket_in_a_granted_folder_cannot_be_used(special, project, monkeypatch):
    monkeypatch.chdir(project / "data")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sock")
        listening.listen()
        envelope, _ = special("return [attempt(read, 'data/sock'), attempt(write, 'data/sock')]", "2s")
    assert all(each.endswith("Error") for each in envelope.unwrap())


@pytest.mark.skipif(os.geteuid() != 0, reason="making a device takes root")
def test_a_device_in_a_granted_folder_does_not_outlive_the_deadline_or_fill_memory(
    special, project, memory_grows_at_most
):
    try:
        os.mknod(project / "data/zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container makes no devices")
    with memory_grows_at_most(700 << 20):
        envelope, seconds = special("while True: open('data/zero', 'rb').read(1 << 24)", "1s")
    assert envelope.error["error_type"] in ("timeout", "task_error", "out_of_memory", "out_of_fuel"), envelope
    assert seconds < 3


def test_a_sparse_file_of_a_petabyte_does_not_fill_memory(special, project, memory_grows_at_most):
    with memory_grows_at_most(300 << 20):
        envelope, _ = special(
            """
            with open("data/big", "wb") as file:
                attempt(file.truncate, 1 << 43)
            with open("data/big", "rb") as file:
                file.read(1 << 20)
            return os.stat("data/big").st_blocks
        """,
            "3s",
        )
    assert envelope.success or envelope.error["error_type"] in ("task_error", "timeout")


# Races


def test_a_granted_folder_swapped_for_a_link_between_runs_and_during_them(project, secret, attack):
    """However the swap falls, the task sees the folder, or nothing: never where the link leads."""
    away = project.root.parent / "away"
    away.mkdir()
    (away / "in.txt").write_text("secret")
    folder, spare = project / "swap", project / "spare"
    folder.mkdir()
    (folder / "in.txt").write_text("42")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            folder.rename(spare)
            folder.symlink_to(away)
            folder.unlink()
            spare.rename(folder)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        seen = set()
        for _ in range(15):
            try:
                envelope = attack(
                    "return attempt(read, 'swap/in.txt')",
                    top=TRY,
                    options="allowed_files=[{'path': 'swap', 'mode': 'ro'}]",
                )
            except CapsuleError:
                continue
            seen.add(envelope.result if envelope.success else envelope.error["error_type"])
    finally:
        stop.set()
        swapping.join()
    assert "secret" not in seen
    assert seen, "no run came so far"


def test_the_checked_folder_is_the_opened_one(tmp_path):
    """The race won for sure: the link takes the folder's place after the check."""
    from capsule.errors import PolicyError
    from capsule.policy.model import FileGrant
    from capsule.runtime.preopens import grant_preopens, opened
    from capsule.runtime.protected import Protected

    away = tmp_path / "away"
    away.mkdir()
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    [preopen] = grant_preopens([FileGrant("a/b", True)], root, Protected(()), origin="test")
    (root / "a").rename(root / "old")
    (away / "b").mkdir()
    (root / "a").symlink_to(away)
    with pytest.raises(PolicyError), opened(preopen.host):
        pass


# What decides the next run


@pytest.mark.parametrize(
    "folder", [".", "./", "src", "src/..", ".capsule", ".capsule/wasm", "x/../.capsule", "sub/.."]
)
def test_a_writable_grant_over_what_decides_the_next_run(project, folder):
    (project / ".capsule/wasm").mkdir(parents=True)
    with pytest.raises(CapsuleError):
        project.run(
            f"""
            from capsule import task

            @task(name="main", allowed_files=["{folder}"])
            def main():
                open("{folder}/planted", "w").write("x")
            """,
            file="src/main.py",
        )
    assert not list(project.root.rglob("planted"))


@pytest.mark.parametrize("link", ["root", "state", "source"])
def test_a_grant_that_is_a_link_to_what_decides_the_next_run(project, link):
    (project / ".capsule").mkdir()
    (project / "src").mkdir()
    (project / "data").symlink_to({"root": ".", "state": ".capsule", "source": "src"}[link])
    with pytest.raises(CapsuleError, match="decides what runs next"):
        project.run(
            """
            from capsule import task

            @task(name="main", allowed_files=["data"])
            def main():
                open("data/planted", "w").write("x")
            """,
            file="src/main.py",
        )


@pytest.mark.parametrize("host", [".", "./.capsule", "./src", "..", "/", "link"])
def test_a_writable_mount_over_what_decides_the_next_run(project, host):
    (project / ".capsule").mkdir()
    (project / "link").symlink_to(".capsule")
    with pytest.raises(CapsuleError, match="decides what runs next"):
        project.run("def main():\n    pass\n", file="src/main.py", mounts=[f"{host}::/mnt"])


@pytest.mark.parametrize("guest", ["..", "/../x", "a/../../b", "\0"])
def test_a_mount_at_an_impossible_path_of_the_sandbox(project, guest):
    (project / "data").mkdir()
    with pytest.raises(CapsuleError):
        project.run("def main():\n    pass\n", mounts=[f"data::{guest}"])


def test_two_grants_of_one_folder_give_no_more_than_the_wider_says(attack, secret, project):
    """A read-only mount of a folder that is granted for writing stays read-only at its own path."""
    found = attack(
        "return [attempt(write, '/view/in.txt'), attempt(write, 'data/in.txt')]",
        top=TRY,
        options="allowed_files=['data']",
        mounts=["data::/view:ro"],
    ).unwrap()
    assert found == ["PermissionError", "written"]


# The same from TypeScript

IN_TYPESCRIPT = """
    import { task } from "@capsule-run/sdk";
    import fs from "node:fs";

    type Step = [string, ...unknown[]];

    function attempt([name, ...args]: Step): unknown {
      try {
        const done = (fs as unknown as Record<string, (...args: unknown[]) => unknown>)[name](...args);
        return done === undefined ? "done" : String(done);
      } catch (error) {
        return "Error: " + (error as Error).message;
      }
    }

    const allowedFiles = ["data", { path: "fixed", mode: "read-only" }];

    export const main = task({ name: "main", allowedFiles, timeout: "5s" }, (steps: Step[]) => {
      return steps.map(attempt);
    });
"""


@pytest.fixture
def in_typescript(project, secret):
    """Runs calls of ``node:fs``; then nothing outside may have changed. Returns what each gave."""

    def run(*steps):
        before = _outside(project.root)
        envelope = project.run(IN_TYPESCRIPT, [list(step) for step in steps], file="main.ts")
        assert _outside(project.root) == before
        return envelope.unwrap()

    return run


def refused(found):
    """Whether the system said no to each, by its code, or no path may have such a form."""
    form = r"Error: (E[A-Z]+: |The path must be|The argument 'path' must be .* without null bytes)"
    return all(re.match(form, each) for each in found)


def test_typescript_does_what_it_is_granted(in_typescript):
    found = in_typescript(
        ["readFileSync", "data/in.txt", "utf8"],
        ["readFileSync", "fixed/in.txt", "utf8"],
        ["writeFileSync", "data/new.txt", "new"],
        ["renameSync", "data/new.txt", "data/moved.txt"],
        ["readFileSync", "data/moved.txt", "utf8"],
    )
    assert found == ["42", "42", "done", "done", "new"]


def test_typescript_reading_and_writing_outside_by_a_path(in_typescript, project):
    paths = [form.format(root=project.root) for form in FORMS]
    calls = [
        step
        for path in [
            *paths,
            "data/in.txt\0.png",
            "data/" + "x" * 5000,
            "data/" + "../data/" * 600 + "../secret.txt",
        ]
        for step in (
            ["readFileSync", path, "utf8"],
            ["unlinkSync", path],
            ["rmSync", path, {"recursive": True}],
        )
    ]
    assert refused(in_typescript(*calls))


def test_typescript_symbolic_and_hard_links_made_by_the_guest(in_typescript, project):
    targets = ["../secret.txt", "/secret.txt", f"{project.root}/secret.txt", "..", "/", "../../outside.txt"]
    for number, target in enumerate(targets):
        link = f"data/link{number}"
        _, *rest = in_typescript(
            ["symlinkSync", target, link],
            ["readFileSync", link, "utf8"],
            ["readFileSync", f"{link}/secret.txt", "utf8"],
            ["writeFileSync", f"{link}/new.txt", "broken"],
            ["mkdirSync", f"{link}/new"],
            ["readdirSync", f"{link}/"],
        )
        assert refused(rest), (target, rest)
    assert refused(in_typescript(*(["linkSync", target, "data/hard"] for target in targets)))


def test_typescript_links_that_lay_there_before(in_typescript, project):
    (project / "data/link").symlink_to("../secret.txt")
    (project / "data/up").symlink_to("..")
    found = in_typescript(
        ["readFileSync", "data/link", "utf8"],
        ["writeFileSync", "data/link", "broken"],
        ["appendFileSync", "data/link", "broken"],
        ["truncateSync", "data/link", 0],
        ["copyFileSync", "data/link", "data/copy"],
        ["readFileSync", "data/up/secret.txt", "utf8"],
    )
    assert refused(found), found


def test_typescript_changing_a_read_only_folder(in_typescript):
    found = in_typescript(
        ["writeFileSync", "fixed/in.txt", "broken"],
        ["appendFileSync", "fixed/in.txt", "broken"],
        ["writeFileSync", "fixed/new.txt", "broken"],
        ["truncateSync", "fixed/in.txt", 0],
        ["renameSync", "fixed/in.txt", "fixed/moved.txt"],
        ["renameSync", "fixed/in.txt", "data/moved.txt"],
        ["renameSync", "data/in.txt", "fixed/moved.txt"],
        ["unlinkSync", "fixed/in.txt"],
        ["rmSync", "fixed/in.txt"],
        ["mkdirSync", "fixed/new"],
        ["rmdirSync", "fixed"],
        ["symlinkSync", "in.txt", "fixed/link"],
        ["linkSync", "fixed/in.txt", "data/hard"],
        ["utimesSync", "fixed/in.txt", 1, 1],
        ["copyFileSync", "data/in.txt", "fixed/copy"],
        ["openSync", "fixed/in.txt", "r+"],
    )
    assert refused(found), found


def test_typescript_a_fifo_does_not_outlive_the_deadline(project, secret):
    os.mkfifo(project / "data/fifo")
    try:
        envelope = project.run(
            IN_TYPESCRIPT.replace("5s", "300ms"), [["readFileSync", "data/fifo"]], file="main.ts"
        )
        assert not envelope.success or str(envelope.result).startswith("['Error"), envelope
    finally:
        os.close(os.open(project / "data/fifo", os.O_RDWR | os.O_NONBLOCK))
