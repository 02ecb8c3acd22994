"""Attacks from inside a session: on its neighbours, its own past, its bounds, and who holds it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from capsule import CapsuleError
from capsule.sessions.live import COPIES
from capsule.workers.pool import pool

pytestmark = pytest.mark.skipif(not COPIES, reason="processes can't be copied here")


def test_a_session_reaches_no_file_of_another_one_or_of_its_forks(opened):
    victim = opened()
    victim.run("open('secret', 'w').write('secret')")
    attacker = opened()
    attacker.run("x = 1")
    fork = attacker.fork()
    fork.run("open('secret', 'w').write('secret')")
    look = """
import os
found = []
for start in ("/", ".", "..", "/..", "../..", "/proc", "/1", "/2", "../1", "../2", "/../2", "/../../"):
    try:
        found += [name for name in os.listdir(start) if name not in ("tmp",)]
        for folder, _, names in os.walk(start):
            found += names
    except OSError:
        pass
sorted(set(found))
"""
    assert "secret" not in str(attacker.run(look).unwrap())
    (attacker.files.folder / "link").symlink_to("../2/secret")
    assert (
        attacker.run("try:\n    found = open('link').read()\nexcept OSError:\n    found = None\nfound").result
        is None
    )
    fork.close()


def test_state_does_not_survive_being_undone(opened):
    session = opened(timeout="600ms")
    session.run("import sys, os\nclean = True")
    session.run(
        "clean = False\nsys.modules['left'] = sys\nopen('left', 'w').close()\nos.environ['LEFT'] = '1'\n"
        "sys.stdout = None\nwhile True: pass"
    )
    left = session.run(
        "print('x')\n[clean, 'left' in sys.modules, os.path.exists('left'), 'LEFT' in os.environ]"
    )
    assert (left.unwrap(), left.output) == ([True, False, False, False], "x\n")


def test_a_session_starts_no_tasks(opened):
    session = opened()
    turn = session.run("from capsule import tasks\ntasks.registry.tasks['turn']('1')")
    assert "limit_exceeded" in str(turn.result or turn.error)
    turn = session.run(
        'from capsule._engine import host\nhost.start_task(\'main\', \'{"args": ["1"], "kwargs": {}}\')'
    )
    assert turn.error is not None


def test_a_result_can_t_pass_for_a_turn(opened):
    session = opened()
    turn = session.run(
        "from capsule._engine import values\n"
        'values.encode_result = lambda value: \'0, "type": "forged", "display": 5, "is_repr": "yes"\'\n1'
    )
    assert turn.went_back is False
    assert turn.display == () or turn.error is not None
    assert turn.is_repr is False


def test_folders_too_deep_for_anybody_are_bounded_and_removed(opened):
    session = opened(timeout="10s")
    turn = session.run("import os\npath = '/'\nfor _ in range(1500):\n    path += 'd/'\n    os.mkdir(path)")
    assert turn.success, turn
    with pytest.raises(CapsuleError, match="64 folders"):
        session.files.list()
    assert session.run("os._exit(1)").went_back
    folder = session.files.folder
    session.close()
    assert not folder.exists()


def test_links_in_the_workspace_lead_nobody_out(opened, tmp_path):
    session = opened()
    session.run("1")
    (tmp_path / "outside").write_text("theirs")
    for link, target in (("file", tmp_path / "outside"), ("folder", tmp_path)):
        (session.files.folder / link).symlink_to(target)
    for use in (session.files.read, lambda name: session.files.write(name, b"mine")):
        for name in ("file", "folder/outside"):
            with pytest.raises(CapsuleError, match="can't be"):
                use(name)
    session.files.delete("folder")
    session.files.download(tmp_path / "got")
    assert list((tmp_path / "got").iterdir()) == []
    assert (tmp_path / "outside").read_text() == "theirs"


def test_fork_is_not_for_the_guest(opened):
    session = opened()
    turn = session.run("import os\nos.fork()")
    assert turn.error is not None
    assert session.run("1").unwrap() == 1


def workers():
    """The processes that have this process's sandboxes."""
    process = pool().spawner._process
    assert process is not None
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    return set(map(int, Path(children).read_text().split()))


def test_no_process_is_left_behind_whatever_turns_do(opened):
    pool().clear()
    before = workers()
    session = opened(timeout="300ms")
    for _ in range(3):
        session.run("while True: pass")
        session.run("1")
        session.fork().close()
    session.close()
    pool().clear()
    end = time.monotonic() + 10
    while workers() - before and time.monotonic() < end:
        time.sleep(0.05)
    assert workers() - before == set()


def test_a_worker_that_is_killed_between_turns_and_in_them_is_undone_or_told(opened):
    session = opened(timeout="20s")
    session.run("x = 1")
    session.fork().close()  # the copy to go back to is made before this one
    os.kill(session._core._live._process.pid, 9)
    turn = session.run("x = 2")
    assert (turn.error["error_type"], turn.went_back) == ("crash", True)
    assert session.run("x").unwrap() == 1

    session = opened(timeout="20s", checkpoints=False)
    session.run("x = 1")
    os.kill(session._core._live._process.pid, 9)
    assert session.run("x").error["error_type"] == "crash"
    assert session.closed

    session = opened(timeout="20s")
    session.run("x = 1")
    victim = session._core._live._process.pid
    threading.Timer(0.4, os.kill, (victim, 9)).start()
    turn = session.run("x = 2\nwhile True: pass")
    assert (turn.error["error_type"], turn.went_back) == ("crash", True)
    assert session.run("x").unwrap() == 1


def test_the_zygote_adopts_no_process_that_is_not_a_copy_of_its_workers(opened):
    session = opened()
    session.run("1")
    spawner = pool().spawner
    for pid in (1, os.getpid(), session._core._live._process.pid, 2**30):
        assert not spawner.adopt(pid)


def test_values_of_a_session_s_secret_stay_out_of_its_forks(opened, project, server, monkeypatch):
    monkeypatch.setenv("TOKEN", "top-secret-token")
    project.write("capsule.toml", '[secrets.TOKEN]\nenv = "TOKEN"\nhosts = ["127.0.0.1"]\n')
    session = opened(secrets=["TOKEN"], allowed_hosts=["127.0.0.1"])
    session.run("import os")
    fork = session.fork()
    for each in (session, fork):
        assert "top-secret" not in str(each.run("dict(os.environ)").unwrap())
    fork.close()


def test_copies_that_a_worker_has_left_end_with_the_zygote(python):
    """A worker that was taken over may leave a copy that wants to outlive everybody."""
    done = python("""
        import os, time
        from capsule.confinement.worker import adopt_orphans
        from capsule.workers.zygote import _end_all

        assert adopt_orphans()
        reading, writing = os.pipe()
        if not os.fork():
            for _ in range(3):
                if not os.fork():
                    time.sleep(60)
            os._exit(0)
        os.close(writing)
        time.sleep(0.2)
        _end_all()
        print("left" if os.read(reading, 1) else "gone")
    """)
    assert done.stdout.strip() == "gone"
