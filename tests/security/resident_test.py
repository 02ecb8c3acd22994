"""Attacks on the resident host: who may ask it, what it believes, and what one command leaves to the next."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from resident_hosts import until

from capsule.resident import place
from capsule.resident.client import _ask
from capsule.resident.freshness import Freshness
from capsule.resident.protocol import ALONE, BEGUN

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is one on Linux only")

ANOTHER = 12345
"""A user that is not us."""

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")


def works(done):
    return done.returncode == 0 and b'"word": "nothing"' in done.stdout and b"broke down" not in done.stderr


def socket_of(resident):
    return next(resident.folder.glob("*.socket"))


def ask(path, arguments, lock, user=None):
    """What a client of ours is told that has ``lock`` to show, as ``user``."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as channel:
                channel.settimeout(10)
                channel.connect(str(path))
                _ask(channel, arguments, [], lock)
                os.write(writing, channel.recv(5) or b"nothing")
        except OSError as error:
            os.write(writing, f"error {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading, "rb") as said:
        return said.read()


def lock_of(path, flags=os.O_RDWR):
    return os.open(place.lock_of(str(path)), flags | os.O_CLOEXEC)


@root_only
def test_another_user_is_told_nothing_and_nothing_is_done(resident, project):
    resident.begin()
    path = socket_of(resident)
    for folder in (resident.folder, resident.folder.parent):
        folder.chmod(0o777)
    path.chmod(0o777)
    os.chown(project.root, ANOTHER, ANOTHER)
    before = resident.run("trace", "--json", env={"CAPSULE_RESIDENT": "0"}).stdout
    answer = ask(path, ["run", str(project / "main.py")], lock_of(path), ANOTHER)
    assert BEGUN not in answer[:1]
    os.chown(project.root, 0, 0)
    for folder in (resident.folder, resident.folder.parent):
        folder.chmod(0o700)
    assert resident.run("trace", "--json", env={"CAPSULE_RESIDENT": "0"}).stdout == before
    assert resident.done() == 0
    assert works(resident.run("run", "main.py", "--json"))


@root_only
def test_a_socket_of_another_user_s_gets_no_variable(resident):
    resident.begin()
    path = socket_of(resident)
    got, writing = os.pipe()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        path.unlink()
        pid = os.fork()
        if pid == 0:
            try:
                # Only root can put it there; the kernel remembers who listens.
                listener.bind(str(path))
                os.setgid(ANOTHER)
                os.setuid(ANOTHER)
                listener.listen()
                os.write(writing, b"!")
                channel, _ = listener.accept()
                channel.settimeout(5)
                os.write(writing, channel.recv(4096))
            finally:
                os._exit(0)
        os.close(writing)
        assert os.read(got, 1) == b"!"
        assert works(resident.run("run", "main.py", "--json", env={"SECRET": "hunter2"}))
        os.waitpid(pid, 0)
        assert os.read(got, 4096) == b""
    os.close(got)
    path.unlink()


def test_a_folder_of_sockets_that_others_may_use_is_not_used(resident, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    for make in (
        lambda: resident.folder.mkdir(mode=0o755),
        lambda: resident.folder.symlink_to(elsewhere),
        lambda: resident.folder.write_text("no folder"),
    ):
        make()
        assert works(resident.run("run", "main.py", "--json"))
        time.sleep(0.2)
        if resident.folder.is_dir():
            assert list(resident.folder.iterdir()) == []
        if resident.folder.is_symlink() or resident.folder.is_file():
            resident.folder.unlink()
        else:
            resident.folder.rmdir()


@pytest.mark.parametrize("says", [b"", b"nonsense and more of it", ALONE + bytes(4), None])
def test_a_socket_that_somebody_put_there_costs_no_command(resident, says):
    """Another process of the user's own, that answers nothing, nonsense, or not at all."""
    resident.begin()
    path = socket_of(resident)
    path.unlink()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()
        child = resident.start("run", "main.py", "--json")
        channel, _ = listener.accept()
        with channel:
            if says is not None:
                channel.sendall(says)
                channel.shutdown(socket.SHUT_WR)
            child.wait(60)
        said, _ = child.communicate()  # the streams that it sent along are closed now
        assert child.returncode == 0
        assert said.count(b"\n") == 1
    path.unlink()


def test_whoever_can_t_write_to_the_folder_of_sockets_gets_nothing(resident):
    """Landlock lets whoever it confines connect to any socket: it has to show the lock, open for writing."""
    resident.begin()
    path = socket_of(resident)
    copy = shutil.copy(place.lock_of(str(path)), resident.folder / "copy.lock")
    shown = [
        lock_of(path, os.O_RDONLY),
        lock_of(path, os.O_PATH),
        os.open(copy, os.O_RDWR),
        os.open(os.devnull, os.O_RDWR),
    ]
    for descriptor in shown:
        assert ask(path, ["tasks", "main.py"], descriptor)[:1] == ALONE
        os.close(descriptor)
    Path(copy).unlink()
    assert resident.done() == 0
    right = lock_of(path)
    assert ask(path, ["tasks", "main.py"], right)[:1] == BEGUN
    os.close(right)


def test_whoever_is_confined_does_it_itself(resident):
    """A process that may gain no privileges, or has a filter of system calls, would have neither there."""
    resident.begin()
    script = """
        import ctypes, os, sys
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
        os.execv(sys.argv[1], sys.argv[1:])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), resident.command, "run", "main.py", "--json"],
        env=resident.environment,
        cwd=resident.project,
        capture_output=True,
        check=False,
    )
    assert works(done)
    assert resident.done() == 0


def test_hostile_bytes_do_nothing_and_the_next_command_is_done(resident):
    resident.begin()
    path = socket_of(resident)
    chosen = random.Random(5)
    count = b"\0".join([b"1", b"run", b"1", b"A=b", b"3", b"utf-8 strict", b"x", b"", b"0"])
    messages = [
        b"",
        b"\xff" * 4,
        (1 << 31).to_bytes(4, "little") + b"x",
        len(count).to_bytes(4, "little") + count,
        *(chosen.randbytes(chosen.randrange(1, 200)) for _ in range(20)),
    ]
    lock = lock_of(path)
    for message in messages:
        for descriptors in ([], [lock] * 5, [lock] * 9):
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as channel:
                channel.settimeout(10)
                channel.connect(str(path))
                with suppress(BrokenPipeError, ConnectionResetError):
                    if message:
                        socket.send_fds(channel, [message], descriptors)
                    channel.shutdown(socket.SHUT_WR)
                    assert channel.recv(5)[:1] != BEGUN
    os.close(lock)
    assert works(resident.run("run", "main.py", "--json"))
    assert resident.done() == 1


def test_a_host_that_is_out_of_date_does_nothing_more(resident, tmp_path):
    """Something was installed since: what it has loaded need not be what an interpreter now would."""
    packages = tmp_path / "packages"
    (packages / "one-1.dist-info").mkdir(parents=True)
    resident.environment["PYTHONPATH"] = str(packages)
    time.sleep(0.05)  # what is as young as the host counts as changed
    resident.begin()
    assert works(resident.run("run", "main.py", "--json"))
    assert resident.done() == 1
    first = resident.hosts()[0]["pid"]
    (packages / "two-1.dist-info").mkdir()
    assert works(resident.run("run", "main.py", "--json"))
    until(lambda: not any(host["pid"] == first for host in resident.hosts()))


def test_code_that_changed_is_noticed(tmp_path, monkeypatch):
    for name in ("aged.py", "young.py"):
        (tmp_path / name).write_text("x = 1\n")
        os.utime(tmp_path / name, (1, 1))
    monkeypatch.syspath_prepend(tmp_path)
    __import__("aged")
    freshness = Freshness(time.time_ns(), ("aged", "young"))
    freshness.note()
    assert freshness.holds()
    (tmp_path / "aged.py").write_text("x = 2\n")
    assert not freshness.holds()
    os.utime(tmp_path / "young.py")
    __import__("young")
    late = Freshness(1, ("young",))
    late.note()
    assert not late.holds()


def test_nothing_of_a_command_is_left_in_memory_for_the_next(resident, project):
    """Its variables, its words, what it printed: neither the host nor the process that waits has them."""
    resident.begin()
    secret = "hunter2-" + "of-the-client"
    for _ in range(2):
        done = resident.run("run", "main.py", secret, "--json", env={"COLOUR": secret, "SECRET": secret})
        assert secret.encode() in done.stdout
    host = int(resident.hosts()[0]["pid"])
    assert not in_memory(host, secret.encode())
    # The processes of the command itself may take a moment to end.
    until(lambda: (all_ := family(host)) and not any(in_memory(pid, secret.encode()) for pid in all_))
    assert in_memory(host, b"PYTHON") or in_memory(host, b"capsule.resident")  # it could be read at all


def test_a_command_has_no_descriptor_of_another_one_s(resident):
    resident.begin()
    with tempfile_of(resident, "mine") as mine:
        first = resident.start("run", "main.py", "--task", "sleeping", stdin=mine)
        second = resident.start("run", "main.py", "--task", "sleeping")
        for child in (first, second):
            assert child.stderr.readline() == b"asleep\n"
        (host,) = (int(host["pid"]) for host in resident.hosts())
        holders = [
            pid
            for pid in (host, *family(host))
            if any(target == mine.name for target in descriptors(pid).values())
        ]
        groups = {os.getpgid(pid) for pid in holders}
        assert len(groups) == 1  # the first command's
        assert os.getpgid(host) not in groups
        for pid in family(host):
            assert not any("memfd" in target or ".lock" in target for target in descriptors(pid).values())
    for child in (first, second):
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)


def test_a_client_that_dies_takes_its_command_along(resident):
    resident.begin()
    child = resident.start("run", "main.py", "--task", "sleeping")
    assert child.stderr.readline() == b"asleep\n"
    (host,) = (int(host["pid"]) for host in resident.hosts())
    until(lambda: len(groups_of(host)) >= 2)  # the command, and what waits for the next
    child.kill()
    child.communicate()
    until(lambda: len(groups_of(host)) == 1)
    assert works(resident.run("run", "main.py", "--json"))


def test_a_client_that_dies_before_it_begins_has_done_nothing(resident):
    resident.begin()
    path = socket_of(resident)
    lock = lock_of(path)
    assert ask(path, ["run", "main.py"], lock)[:1] == BEGUN  # and it is gone without the word to go
    os.close(lock)
    assert works(resident.run("run", "main.py", "--json"))
    runs = resident.run("trace", "--json").stdout
    assert len(re.findall(rb'"task": "main"|"file": ', runs)) <= 2


def test_a_host_that_is_killed_costs_no_command(resident):
    resident.begin()
    child = resident.start("run", "main.py", "--task", "sleeping")
    assert child.stderr.readline() == b"asleep\n"
    (host,) = (int(host["pid"]) for host in resident.hosts())
    command = next(group for group in groups_of(host) if sleeping(group))
    os.kill(host, signal.SIGKILL)
    assert works(resident.run("run", "main.py", "--json"))
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) in (143, 70)
    until(lambda: not Path(f"/proc/{command}").exists())


def test_a_command_s_process_that_is_killed_ends_its_client_alike(resident):
    resident.begin()
    child = resident.start("run", "main.py", "--task", "sleeping")
    assert child.stderr.readline() == b"asleep\n"
    (host,) = (int(host["pid"]) for host in resident.hosts())
    command = next(group for group in groups_of(host) if sleeping(group))
    os.kill(command, signal.SIGKILL)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL


def test_a_folder_that_is_gone_and_a_huge_environment_are_as_without(resident, tmp_path):
    resident.begin()
    huge = {f"HUGE_{number}": "x" * 100_000 for number in range(12)} | {"COLOUR": "green"}
    gone = tmp_path / "gone"
    ways = []
    for choice in ("0", "1"):
        gone.mkdir()
        script = 'rmdir ../gone; exec "$0" run main.py'
        lost = subprocess.run(
            ["/bin/sh", "-c", script, resident.command],
            env=resident.environment | {"CAPSULE_RESIDENT": choice},
            cwd=gone,
            capture_output=True,
            check=False,
        )
        large = resident.run("run", "main.py", env=huge | {"CAPSULE_RESIDENT": choice})
        ways.append((lost.returncode, lost.stdout, lost.stderr, large.returncode, large.stdout, large.stderr))
    assert ways[0] == ways[1]
    assert b"green" in ways[0][5]
    assert resident.done() >= 1


def tempfile_of(resident, name):
    path = resident.folder.parent / name
    path.write_bytes(b"")
    return path.open("rb")


def family(pid):
    """All processes below a process."""
    found = []
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(child), *family(int(child))]
    return found


def groups_of(host):
    found = set()
    for pid in family(host):
        with suppress(OSError):
            found.add(os.getpgid(pid))
    return found


def sleeping(group):
    """Whether a command has its client's streams: it is no longer one that waits."""
    return not any(target == os.devnull for number, target in descriptors(group).items() if number in (1, 2))


def descriptors(pid):
    found = {}
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found[int(link.name)] = str(link.readlink())
    return found


def in_memory(pid, text):
    with suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            places, rights, *rest = line.split()
            if "r" not in rights or "w" not in rights or rest[-1:] == ["[vvar]"]:
                continue
            start, end = (int(part, 16) for part in places.split("-"))
            with suppress(OSError):
                memory.seek(start)
                if text in memory.read(end - start):
                    return True
    return False
