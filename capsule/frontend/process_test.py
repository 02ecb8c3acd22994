import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from capsule.frontend.process import MOST_OUTPUT, ToolLimits, end_children, run_tool


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


PARENT = (
    "import subprocess, sys, time, pathlib;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "pathlib.Path('pid').write_text(str(child.pid)); time.sleep(60)"
)


def test_a_tool_s_status_and_output_come_back(tmp_path):
    done = run_tool(
        [
            sys.executable,
            "-c",
            "import sys, os; print(os.getcwd()); print('e', file=sys.stderr); sys.exit(3)",
        ],
        cwd=tmp_path,
        timeout=30,
    )
    assert done.status == 3
    assert str(tmp_path.resolve()) in done.output
    assert "e" in done.output


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks the grandchild up in /proc")
def test_a_tool_over_its_time_is_killed_with_its_children(tmp_path):
    with pytest.raises(TimeoutError):
        run_tool([sys.executable, "-c", PARENT], cwd=tmp_path, timeout=2)
    time.sleep(0.2)
    assert not alive(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks the grandchild up in /proc")
def test_an_interrupted_host_leaves_no_tool_behind(tmp_path):
    results = []
    thread = threading.Thread(
        target=lambda: results.append(run_tool([sys.executable, "-c", PARENT], cwd=tmp_path, timeout=60))
    )
    thread.start()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.02)
    end_children()
    thread.join(10)
    assert results[0].status != 0
    time.sleep(0.2)
    assert not alive(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks the grandchild up in /proc")
def test_a_killed_host_leaves_no_tool_behind(tmp_path):
    """SIGKILL: the host can't tell anybody."""
    program = (
        "import sys; from pathlib import Path; from capsule.frontend.process import run_tool;"
        f"run_tool([sys.executable, '-c', {PARENT!r}], cwd=Path.cwd(), timeout=60)"
    )
    host = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    pid = tmp_path / "pid"
    while not pid.exists() or not pid.read_text():
        assert host.poll() is None
        time.sleep(0.02)
    host.kill()
    host.wait()
    end = time.monotonic() + 20
    while alive(int(pid.read_text())):
        assert time.monotonic() < end, "the tool's child lives on"
        time.sleep(0.02)


def test_a_tool_that_dies_by_a_signal_and_one_that_is_not_there_are_told_apart(tmp_path):
    aborts = [sys.executable, "-c", "import os; os.abort()"]
    assert run_tool(aborts, cwd=tmp_path, timeout=30).status == -signal.SIGABRT
    with pytest.raises(FileNotFoundError):
        run_tool(["no-such-tool"], cwd=tmp_path, timeout=30)


def test_a_tool_gets_the_given_environment_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    done = run_tool(
        [sys.executable, "-c", "import os; print('SECRET_OF_THE_HOST' in os.environ, os.environ.get('A'))"],
        cwd=tmp_path,
        environment={"A": "b", "PATH": os.environ["PATH"]},
        timeout=30,
    )
    assert done.output.split() == ["False", "b"]


def test_of_a_tool_that_says_too_much_the_end_is_kept(tmp_path):
    code = f"import sys\nfor _ in range(3): sys.stdout.write('x' * {MOST_OUTPUT})\nprint('end')"
    done = run_tool([sys.executable, "-c", code], cwd=tmp_path, timeout=60)
    assert len(done.output) == MOST_OUTPUT
    assert done.output.endswith("xend\n")


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not keep the limit")
def test_every_process_of_a_tool_has_its_memory_limited(tmp_path):
    child = "x = bytearray(200 << 20)"
    code = f"import subprocess, sys; print(subprocess.call([sys.executable, '-c', {child!r}]))"
    command = [sys.executable, "-c", code]
    narrow = run_tool(command, cwd=tmp_path, timeout=60, limits=ToolLimits(100 << 20, 1 << 20))
    wide = run_tool(command, cwd=tmp_path, timeout=60, limits=ToolLimits(1000 << 20, 1 << 20))
    assert "MemoryError" in narrow.output
    assert wide.output.split() == ["0"]


def test_a_tool_can_not_write_a_larger_file_than_its_limits_say(tmp_path):
    code = "import pathlib; pathlib.Path('file').write_bytes(bytes(3 << 20))"
    command = [sys.executable, "-c", code]
    done = run_tool(command, cwd=tmp_path, timeout=60, limits=ToolLimits(1 << 30, 2 << 20))
    assert done.status != 0
    assert (tmp_path / "file").stat().st_size <= 2 << 20
