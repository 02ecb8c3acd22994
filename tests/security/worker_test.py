"""Attacks on and from worker processes: what an escaped guest finds, and what it can do to its host."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

from capsule import run_sync
from capsule.confinement import landlock, mounts, namespaces, seccomp
from capsule.workers import attempt as attempts
from capsule.workers.frames import PREFIX, Kind, encode
from capsule.workers.pool import pool
from capsule.workers.process import ALLOWANCE

PIDFD_GETFD = 438

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
confined = pytest.mark.skipif(
    landlock.abi() < landlock.OLDEST_ABI or not seccomp.available(), reason="this kernel does not offer it"
)
secluded = pytest.mark.skipif(
    not namespaces.tried(lambda: mounts.seclude([])), reason="this user gets no mount namespace here"
)
as_users = pytest.mark.parametrize(
    "nobody",
    [
        False,
        pytest.param(True, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes nobody")),
    ],
    ids=["as_we_are", "as_nobody"],
)


@pytest.fixture(autouse=True)
def no_idle_workers():
    pool().clear()


# What is left to code that has taken a worker over


ESCAPED = """
    import ctypes, mmap, os, resource, signal, socket, subprocess, sys, threading
    sys.path += sys.argv[1:2]
    from capsule.confinement.worker import confine

    x86 = os.uname().machine == "x86_64"
    inside, written, outside, *more = sys.argv[3:]
    folders = [(os.open(inside, os.O_RDONLY), False), (os.open(written, os.O_RDONLY), True)]
    folders += [(os.open(folder, os.O_RDONLY), True) for folder in more]
    host = os.getppid()
    if sys.argv[2] == "nobody":
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after a start of its own
    confine(folders, forks={FORKS})
    inside, written = (f"/proc/self/fd/{folder}" for folder, _ in folders[:2])

    def attempt(function, *arguments, **named):
        try:
            function(*arguments, **named)
        except OSError as error:
            return "refused" if error.errno in (1, 13, 18) else "unseen" if error.errno == 2 else repr(error)
        return "allowed"

    def moved(folder):
        os.mkdir('a', dir_fd=folder)
        os.rename('file', 'a/b', src_dir_fd=folder, dst_dir_fd=folder)
        os.utime(os.open('a/b', os.O_RDONLY, dir_fd=folder), (1, 1))
        return os.stat('a/b', dir_fd=folder).st_mtime == 1

    def on_a_thread(function):
        said = []
        thread = threading.Thread(target=lambda: said.append(attempt(function)))
        thread.start()
        thread.join()
        return said[0]

    libc = ctypes.CDLL(None, use_errno=True)

    def in_a_copy(function, *arguments):
        reading, writing = os.pipe()
        if not os.fork():
            os.write(writing, attempt(function, *arguments).encode())
            os._exit(0)
        os.wait()
        return os.read(reading, 100).decode()

    def call(function, *arguments):
        if function(*arguments) < 0:
            raise OSError(ctypes.get_errno(), "")
        return True

    print({ATTEMPT})
"""


def escaped(attempt, tmp_path, more=(), nobody=False, forks=False):
    """What an attempt comes to in a confined process: one folder to read, one to write, and more to write."""
    if nobody:  # who may not pass through pytest's own folders
        with tempfile.TemporaryDirectory(prefix="capsule-test-") as folder:
            Path(folder).chmod(0o755)
            return _escaped(attempt, Path(folder), more, "nobody", forks)
    return _escaped(attempt, tmp_path, more, "", forks)


def _escaped(attempt, tmp_path, more, user, forks):
    folders = []
    for name in ("inside", "written", "outside", *more):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
        (tmp_path / name / "file").write_text("text")
        if user == "nobody":
            os.chown(tmp_path / name / "file", 65534, 65534)
        folders.append(str(tmp_path / name))
    root = str(Path(__file__).parent.parent.parent)
    text = textwrap.dedent(ESCAPED).replace("{ATTEMPT}", attempt).replace("{FORKS}", str(forks))
    done = subprocess.run(
        [sys.executable, "-c", text, root, user, *folders],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout.strip()


@confined
@pytest.mark.parametrize(
    "attempt",
    [
        "attempt(os.listdir, '/')",
        "attempt(open, inside + '/new', 'w')",
        "attempt(open, inside + '/file', 'a')",
        "attempt(os.unlink, inside + '/file')",
        "attempt(os.mkdir, inside + '/new')",
        "attempt(os.rename, inside + '/file', written + '/moved')",
        "attempt(os.link, outside + '/file', written + '/linked')",
        "attempt(os.truncate, outside + '/file', 0)",
        "attempt(os.chmod, outside, 0o777)",
        "attempt(os.chown, outside, 1, 1)",
        "attempt(os.setxattr, outside, 'user.x', b'')",
        "attempt(os.mkfifo, written + '/fifo')",
        "attempt(socket.socket)",
        "attempt(socket.socket, socket.AF_UNIX)",
        "attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)",
        "attempt(socket.socketpair, socket.AF_INET)",
        "attempt(os.fork)",
        "attempt(os.execv, '/bin/true', ['true'])",
        "attempt(subprocess.run, ['/bin/true'])",
        "attempt(os.posix_spawn, '/bin/true', ['true'], {})",
        "attempt(os.kill, os.getppid(), 0)",
        "attempt(os.kill, os.getpid(), signal.SIGCONT)",
        "attempt(call, libc.ptrace, 16, os.getppid(), 0, 0)",
        "attempt(call, libc.mount, b'x', b'/mnt', b'tmpfs', 0, None)",
        "attempt(call, libc.unshare, 0x10000000)",
        "attempt(call, libc.chroot, inside.encode())",
        "attempt(call, libc.syscall, 321, 0, None, 0)",
        "attempt(call, libc.syscall, 434, os.getppid(), 0)",
        "attempt(call, libc.syscall, 425, 1, None)",
        "attempt(call, libc.prlimit, 0, 7, None, None)",
        "attempt(os.setuid, 0)",
        # What others share by System V and POSIX.
        "attempt(call, libc.shmget, 1, 4096, 0o1666)",
        "attempt(call, libc.shmat, 0, None, 0)",
        "attempt(call, libc.shmctl, 0, 2, None)",
        "attempt(call, libc.msgget, 1, 0o1666)",
        "attempt(call, libc.msgsnd, 0, b'x' * 16, 8, 0o4000)",
        "attempt(call, libc.msgctl, 0, 0, None)",
        "attempt(call, libc.semget, 1, 1, 0o1666)",
        "attempt(call, libc.semop, 0, b'x' * 6, 1)",
        "attempt(call, libc.semctl, 0, 0, 0)",
        "attempt(call, libc.mq_open, b'/x', 0o102, 0o600, None)",
        "attempt(call, libc.mq_unlink, b'/x')",
        # To live on when the host is gone.
        "attempt(call, libc.prctl, 1, 0, 0, 0, 0)",
        "attempt(call, libc.prctl, 4, 1, 0, 0, 0)",
        "attempt(os.setsid)",
        # Datagrams to others.
        "attempt(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM)",
        "attempt(socket.socketpair, socket.AF_UNIX, socket.SOCK_SEQPACKET)",
        "attempt(socket.socketpair()[0].sendto, b'x', '/dev/log')",
        "attempt(socket.socketpair()[0].sendmsg, [b'x'], [], 0, '/dev/log')",
        # How others run.
        "attempt(os.setpriority, os.PRIO_PROCESS, os.getppid(), 5)",
        "attempt(os.setpriority, os.PRIO_USER, os.getuid(), 5)",
        "attempt(os.sched_setaffinity, os.getppid(), [0])",
        "attempt(os.sched_setscheduler, os.getppid(), os.SCHED_IDLE, os.sched_param(0))",
        "attempt(call, libc.syscall, 251 if x86 else 30, 1, os.getppid(), 0x6000)",
        "attempt(resource.prlimit, os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "attempt(call, libc.syscall, 129 if x86 else 138, os.getppid(), 10, None)",
        "attempt(call, libc.syscall, 297 if x86 else 240, os.getppid(), os.getppid(), 10, None)",
        "attempt(call, libc.syscall, 234 if x86 else 131, os.getppid(), os.getppid(), 0)",
        "attempt(call, libc.syscall, 200 if x86 else 130, os.getppid(), 0)",
        # Signals by a descriptor's owner.
        "attempt(call, libc.fcntl, folders[0][0], 8, os.getppid())",
        # What happens to files, and their times.
        "attempt(call, libc.inotify_init1, 0)",
        "attempt(call, libc.fanotify_init, 0, 0)",
        "attempt(os.utime, outside + '/file', (1, 1))",
        "attempt(os.utime, '/etc/passwd', (1, 1))",
        # Memory that no limit counts.
        "attempt(mmap.mmap, -1, 700 << 20)",
        "attempt(mmap.mmap, os.open(inside + '/file', os.O_RDONLY), 4, mmap.MAP_SHARED, mmap.PROT_READ)",
        "attempt(mmap.mmap, -1, 1 << 20, mmap.MAP_PRIVATE | 0x20 | 0x100)",
        "attempt(os.memfd_create, 'x')",
        "attempt(call, libc.syscall, 447, 0)",
        # Others' memory, and large doors of the kernel.
        "attempt(call, libc.process_vm_readv, os.getppid(), None, 0, None, 0, 0)",
        "attempt(call, libc.syscall, 312 if x86 else 272, os.getppid(), os.getppid(), 0, 0, 0)",
        "attempt(call, libc.syscall, 298 if x86 else 241, None, 0, -1, -1, 0)",
        "attempt(call, libc.syscall, 323 if x86 else 282, 0)",
        "attempt(call, libc.syscall, 250 if x86 else 219, 0, -3, 1)",
        "attempt(call, libc.personality, 0x40000)",
        "attempt(call, libc.setns, folders[0][0], 0)",
        "attempt(call, libc.syscall, 428, -100, b'/', 1)",
        "attempt(call, libc.syscall, 430, b'tmpfs', 0)",
        "attempt(call, libc.ioctl, folders[0][0], 0x40086602, 0)",
        "attempt(call, libc.madvise, None, 4096, 100)",
    ],
)
def test_what_an_escaped_guest_tries(attempt, tmp_path):
    assert escaped(attempt, tmp_path) == "refused"


@confined
@pytest.mark.parametrize(
    "attempt",
    [
        "attempt(os.execv, '/bin/true', ['true'])",
        "attempt(os.posix_spawn, '/bin/true', ['true'], {})",
        "attempt(socket.socket)",
        "attempt(os.kill, os.getppid(), 0)",
        "attempt(call, libc.unshare, 0x10000000)",
        "attempt(call, libc.prctl, 36, 1, 0, 0, 0)",
        "attempt(call, libc.syscall, 56 if x86 else 220, 0x10000000 | 17, 0, 0, 0, 0)",
        "attempt(call, libc.syscall, 56 if x86 else 220, 0x100 | 17, 0, 0, 0, 0)",
        "in_a_copy(os.listdir, '/')",
        "in_a_copy(open, inside + '/new', 'w')",
        "in_a_copy(os.execv, '/bin/true', ['true'])",
        "in_a_copy(os.kill, os.getppid(), 0)",
        "in_a_copy(socket.socket)",
    ],
)
def test_what_an_escaped_guest_of_a_session_tries(attempt, tmp_path):
    assert escaped(attempt, tmp_path, forks=True) == "refused"


@confined
def test_the_worker_of_a_session_can_copy_itself(tmp_path):
    assert escaped("in_a_copy(open, written + '/new', 'w')", tmp_path, forks=True) == "allowed"


@confined
@as_users
@pytest.mark.parametrize(
    "attempt",
    [
        "attempt(open, '/etc/passwd')",
        "attempt(open, outside + '/file')",
        "attempt(open, outside + '/new', 'w')",
        "attempt(open, inside + '/../outside/file')",
        "on_a_thread(lambda: open(outside + '/file'))",
        "attempt(os.listdir, outside)",
        "attempt(open, '/proc/1/environ')",
    ],
)
def test_what_an_escaped_guest_opens_by_its_path(attempt, nobody, tmp_path):
    assert escaped(attempt, tmp_path, nobody=nobody) in ("refused", "unseen")


@confined
@secluded
@as_users
@pytest.mark.parametrize(
    "attempt",
    [
        "attempt(os.stat, '/etc/passwd')",
        "attempt(os.stat, outside)",
        "attempt(os.stat, outside + '/file')",
        "attempt(os.stat, '/usr')",
        "attempt(os.lstat, outside)",
        "attempt(os.stat, '../outside', dir_fd=folders[0][0])",
        "attempt(os.stat, '../outside', dir_fd=folders[1][0])",
        "attempt(os.stat, inside + '/../outside')",
        "attempt(os.open, '/etc/passwd', os.O_PATH)",
        "attempt(os.open, '/etc', os.O_PATH | os.O_DIRECTORY)",
        "attempt(os.open, '../outside', os.O_PATH, dir_fd=folders[1][0])",
        "attempt(os.readlink, '/proc/self/exe', dir_fd=folders[0][0])",
        "attempt(os.readlink, f'/proc/{host}/exe', dir_fd=folders[0][0])",
        "attempt(os.stat, f'/proc/{host}')",
        "attempt(os.stat, '/proc/1')",
        "attempt(os.stat, '/proc/self/root')",
        "attempt(os.stat, '/dev/shm')",
        "attempt(os.stat, '/sys')",
    ],
)
def test_what_an_escaped_guest_sees_of_other_files(attempt, nobody, tmp_path):
    assert escaped(attempt, tmp_path, nobody=nobody) == "unseen"


@confined
@as_users
@pytest.mark.parametrize(
    "attempt",
    [
        "attempt(open, written + '/../outside/file')",
        "attempt(os.listdir, written + '/..')",
        "attempt(os.mkdir, written + '/../new')",
        "attempt(os.rename, written + '/file', written + '/../outside/taken')",
        "attempt(os.unlink, written + '/../outside/file')",
    ],
)
def test_what_an_escaped_guest_reaches_between_two_folders_that_it_may_write(attempt, nobody, tmp_path):
    assert escaped(attempt, tmp_path, ["second"], nobody) == "refused"


@confined
@pytest.mark.parametrize(
    "attempt",
    [
        "open(inside + '/file').read() == 'text'",
        "os.listdir(inside) == ['file']",
        "os.listdir(f'/proc/self/fd/{folders[0][0]}') == ['file']",
        "open(written + '/new', 'w').write('x') == 1",
        "moved(folders[1][0])",
        "on_a_thread(lambda: open(inside + '/file')) == 'allowed'",
        "len(os.urandom(8)) == 8",
        # From one folder to another, as on threads.
        "os.rename('file', 'moved', src_dir_fd=folders[1][0], dst_dir_fd=folders[2][0]) is None",
        "os.link('file', 'linked', src_dir_fd=folders[2][0], dst_dir_fd=folders[1][0]) is None",
    ],
)
@as_users
def test_what_a_sandbox_was_granted_is_still_there(attempt, nobody, tmp_path):
    assert escaped(attempt, tmp_path, ["second"], nobody) == "True"


@linux
@confined
def test_a_real_worker_is_confined_and_knows_nothing_of_its_host(attack, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    assert attack("print('x'); return 1").result == 1
    [idle] = pool().idle
    process = Path("/proc") / str(idle.pid)
    status = (process / "status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert b"secret" not in (process / "environ").read_bytes()
    opened = [str(path.readlink()) for path in (process / "fd").iterdir()]
    known = ("socket:", "/dev/null", "anon_inode:")
    # Compiled code that was replaced in the user's cache since stays open under its old name.
    code = (".cwasm", ".cwasm (deleted)")
    assert [name for name in opened if not name.startswith(known) and not name.endswith(code)] == []


@linux
@pytest.mark.skipif(not namespaces.tried(namespaces.leave_networks), reason="this user gets none here")
@pytest.mark.parametrize("kind", ["ipc", "net", pytest.param("mnt", marks=secluded)])
def test_a_real_worker_is_in_no_namespace_of_its_host(attack, kind):
    assert attack("return 1").result == 1
    [idle] = pool().idle
    assert Path(f"/proc/{idle.pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()


@linux
def test_a_worker_has_the_compiled_code_of_its_own_engine_only(attack, component, hostile, project):
    assert attack("return 1").result == 1
    run_sync(component(hostile.text(body="(nop)")), cwd=project.root)
    run_sync(component(hostile.text(body="(nop) (nop)")), cwd=project.root)
    assert attack("return 1").result == 1
    workers = pool().idle
    mapped = [mapped_code(worker.pid) for worker in workers]
    assert len(set().union(*mapped)) >= 2, "nothing to find in another's worker"
    assert all(len(files) == 1 for files in mapped), mapped


@linux
def test_a_worker_meets_one_program_only(attack):
    """One that was taken over may not wait for the next program, nor for the source that is compiled next."""
    assert attack("return 1").result == 1
    [first] = pool().idle
    assert attack("return 2").result == 2
    second, *others = [each for each in pool().idle if each is not first]
    assert not others, "what compiled a source waits for others"
    assert [len(each._programs) for each in (first, second)] == [1, 1]
    assert attack("return 1").result == 1
    assert {each.pid for each in pool().idle} == {first.pid, second.pid}, "nobody asked for a third"


def mapped_code(process):
    """The files of compiled code in a process's memory, by device and inode."""
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    fields = [line.split(maxsplit=5) for line in lines]
    return {(each[3], each[4]) for each in fields if len(each) == 6 and ".cwasm" in each[5]}


# What it can say to its broker


class Hijacked:
    """The channel of a worker, as code that has taken the worker over has it."""

    def __init__(self, worker):
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = os.pidfd_open(worker)
        try:
            # The lowest one: what wasmtime opens for itself comes after it.
            for path in sorted(Path(f"/proc/{worker}/fd").iterdir(), key=lambda path: int(path.name)):
                if str(path.readlink()).startswith("socket:"):
                    self.descriptor = libc.syscall(PIDFD_GETFD, pidfd, int(path.name), 0)
                    if self.descriptor >= 0 and self.is_stream():
                        return
            pytest.skip("this user may not take another process's descriptors")
        finally:
            os.close(pidfd)

    def is_stream(self):
        with socket.socket(fileno=os.dup(self.descriptor)) as found:
            return found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM

    def say(self, data):
        while data:
            try:
                data = data[os.write(self.descriptor, data) :]
            except OSError:
                return


def result(attempt, **changes):
    head = {"attempt": attempt, "fuel": 1, "load_fuel": 1, "load_seconds": 0.0, "seconds": 0.0, **changes}
    return encode(Kind.RESULT, head, b'{"result": "forged"}')


HUGE = PREFIX.pack(2**32 - 1, Kind.OUTPUT, 0)


@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    ("said", "error_type"),
    [
        (b"\xff" * 10_000, "crash"),
        (HUGE + b"x" * 1_000_000, "crash"),
        (PREFIX.pack(50, 99, 0), "crash"),
        (encode(Kind.START, {"attempt": 1}), "crash"),
        (encode(Kind.OUTPUT, {"attempt": -1}), "crash"),
        (encode(Kind.OUTPUT, {}), "crash"),
        (encode(Kind.RESULT, {"attempt": 1, "fuel": "x"}), "crash"),
        (encode(Kind.RESULT, {"attempt": 1, "fuel": 10**30}), "crash"),
        (encode(Kind.REQUEST, {"attempt": 1, "number": 1}, b"\xff"), "crash"),
        # Of another attempt, or of none: it is not listened to, and its own deadline ends the worker.
        (b"".join(result(number) for number in range(10**9, 10**9 + 100)), "timeout"),
        (encode(Kind.LOADED, {"attempt": 10**9}), "timeout"),
        (encode(Kind.PREPARED, {"attempt": 10**9, "ready": True}) * 1000, "timeout"),
    ],
)
def test_a_worker_that_was_taken_over_says_what_it_should_not(attack, said, error_type):
    outcome = hijack(attack, said)
    assert outcome.error["error_type"] == error_type
    assert attack("return 1").result == 1


def hijack(attack, said):
    outcomes = []
    ready, done = threading.Event(), threading.Event()
    options = {"options": "compute='HIGH', timeout='2s'", "on_output": lambda stream, text: ready.set()}
    body = "print('x', flush=True)\nwhile True: pass"
    thread = threading.Thread(target=lambda: (outcomes.append(attack(body, **options)), done.set()))
    thread.start()
    assert ready.wait(30)
    [attempt] = pool()._active
    channel = Hijacked(attempt._worker.pid)
    try:
        channel.say(said)
        assert done.wait(30)
    finally:
        os.close(channel.descriptor)
        thread.join()
    return outcomes[0]


@linux
def test_fuel_and_time_that_a_worker_claims_are_bounded_by_what_it_had(attack):
    outcomes = []
    ready = threading.Event()
    options = {"options": "compute=1_000_000_000", "on_output": lambda stream, text: ready.set()}
    body = "print('x', flush=True)\nwhile True: pass"
    thread = threading.Thread(target=lambda: outcomes.append(attack(body, **options)))
    thread.start()
    assert ready.wait(30)
    [attempt] = pool()._active
    channel = Hijacked(attempt._worker.pid)
    try:
        latest = next(attempts.numbers)  # of this process: the attempt has one just below
        claims = {"fuel": 2**50, "seconds": 1e8, "load_seconds": 1e8}
        channel.say(b"".join(result(number, **claims) for number in range(max(0, latest - 20), latest)))
    finally:
        os.close(channel.descriptor)
        thread.join()
    [outcome] = outcomes
    assert outcome.result == "forged"
    assert outcome.execution["fuel_consumed"] <= 1_000_000_000
    assert outcome.execution["duration_ms"] < 60_000


# What a guest can make its worker take


@linux
def test_the_host_s_side_of_a_sandbox_is_bounded(component, hostile, project):
    """Random bytes by the gigabyte are made by the host, outside of the memory that ``ram`` bounds."""
    path = component(
        hostile.text(
            imports="""
              (import "wasi:random/random@0.2.0" (instance $random
                (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
              (core module $libc (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
              (core instance $libc (instantiate $libc))
              (core func $bytes (canon lower (func $random "get-random-bytes")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            """,
            core_imports='(import "host" "bytes" (func $bytes (param i64 i32)))',
            with_='(with "host" (instance (export "bytes" (func $bytes))))',
            body="(call $bytes (i64.const 17179869184) (i32.const 512))",
        ),
        ram=64 << 20,
        timeout=20.0,
    )
    most, done = 0, threading.Event()

    def look():
        nonlocal most
        while not done.wait(0.01):
            for attempt in list(pool()._active):
                worker = attempt._worker
                if worker is not None:
                    most = max(most, worker.memory())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        started = time.monotonic()
        envelope = run_sync(path, cwd=project.root)
    finally:
        done.set()
        watcher.join()
    assert envelope.error["error_type"] in ("crash", "out_of_memory"), envelope
    assert time.monotonic() - started < 20
    assert most <= (64 << 20) + ALLOWANCE


def test_a_guest_finds_no_descriptor_of_its_worker(attack):
    envelope = attack("""
        written = []
        for descriptor in range(3, 300):
            try:
                os.write(descriptor, b"x")
                written.append(descriptor)
            except OSError:
                pass
        return written
    """)
    assert envelope.result == []


def test_a_guest_sees_nothing_of_its_worker_s_process(attack):
    for path in ("/proc/self/fd", "/proc/self/environ", "/dev/fd", "/dev/null", "/sys"):
        assert attack(f"return os.path.exists({path!r})").result is False
