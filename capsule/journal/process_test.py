from __future__ import annotations

import os
import subprocess
import sys

import pytest

from capsule.journal import process

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_this_process_is_alive() -> None:
    assert process.state(os.getpid(), process.identity(os.getpid())) == "alive"
    assert process.state(os.getpid(), None) == "alive"


def test_a_process_that_ended_is_gone_even_before_its_parent_asked() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    identity = process.identity(child.pid)
    assert process.state(child.pid, identity) == "alive"
    child.kill()
    if identity is not None:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process.state(child.pid, identity) == "gone"
    child.communicate()
    assert process.state(child.pid, identity) == "gone"
    assert process.state(child.pid, None) == "gone"


@linux
def test_a_later_process_with_the_same_number_is_another() -> None:
    boot, namespace, start = str(process.identity(os.getpid())).split(" ")
    assert process.state(os.getpid(), f"{boot} {namespace} {int(start) + 1}") == "gone"
    assert process.state(os.getpid(), f"another-boot {namespace} {start}") == "gone"


@linux
def test_a_process_in_a_container_cannot_be_judged() -> None:
    boot, _, start = str(process.identity(os.getpid())).split(" ")
    assert process.state(os.getpid(), f"{boot} pid:[1] {start}") == "unknown"


@linux
def test_a_program_name_with_brackets_does_not_mislead() -> None:
    code = "open('/proc/self/comm', 'w').write('a) Z 1 (b'); print(1, flush=True); input()"
    named = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert named.stdout is not None
    named.stdout.readline()
    identity = process.identity(named.pid)
    assert identity is not None
    assert process.state(named.pid, identity) == "alive"
    named.communicate(b"\n")


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**70])
@pytest.mark.parametrize("recorded", [None, "", "a b c", "  ", "x" * 100])
def test_numbers_that_no_process_has_are_gone(pid: int, recorded: str | None) -> None:
    assert process.state(pid, recorded) == "gone"
