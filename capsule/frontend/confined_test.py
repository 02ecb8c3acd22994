import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from capsule.confinement import landlock, seccomp
from capsule.frontend.confined import Confinement, private_environment, python_programs
from capsule.frontend.process import Finished, TookTooMuchError, ToolLimits, run_tool

needs_landlock = pytest.mark.skipif(
    landlock.abi() < landlock.OLDEST_ABI, reason="this kernel has no Landlock"
)
needs_seccomp = pytest.mark.skipif(
    sys.platform != "linux" or not seccomp.available(), reason="this machine has no seccomp"
)
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")


def run(folder: Path, code: str, confinement: Confinement | None = None, **bounds: object) -> Finished:
    """Runs Python code as a tool that may write into the folder."""
    confinement = confinement or Confinement(writes=(folder,), programs=python_programs(), **bounds)  # type: ignore[arg-type]
    return run_tool(
        [sys.executable, "-I", "-c", code],
        cwd=folder,
        environment=private_environment(folder),
        timeout=30,
        limits=ToolLimits(memory=1 << 30, file=64 << 20),
        confinement=confinement,
    )


def test_a_confined_tool_works_in_its_own_folder(tmp_path):
    code = "import subprocess; open('made', 'w').write('1'); print(open('made').read())"
    code += "; print(subprocess.run(['true']).returncode)"
    assert run(tmp_path, code).output.split() == ["1", "0"]


@needs_landlock
def test_a_confined_tool_reads_and_writes_nothing_else(tmp_path):
    secret, own = tmp_path / "secret", tmp_path / "own"
    secret.write_text("hunter2")
    own.mkdir()
    (own / "link").symlink_to(secret)
    for code in (
        f"print(open({str(secret)!r}).read())",
        "print(open('link').read())",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"import os; os.link({str(secret)!r}, 'linked'); print(open('linked').read())",
        f"print(open('/proc/{os.getpid()}/environ').read())",
    ):
        done = run(own, code)
        assert done.status != 0, code
        assert "hunter2" not in done.output
    assert not (tmp_path / "new").exists()
    shown = Confinement(reads=(secret,), writes=(own,), programs=python_programs())
    assert run(own, f"print(open({str(secret)!r}).read())", shown).output.strip() == "hunter2"
    assert run(own, f"open({str(secret)!r}, 'w')", shown).status != 0


@needs_landlock
def test_nothing_that_a_tool_wrote_is_executed(tmp_path):
    code = "import os, subprocess; open('s', 'w').write('#!/bin/sh\\necho ran'); os.chmod('s', 0o755)"
    done = run(tmp_path, f"{code}; subprocess.run(['./s'])")
    assert "PermissionError" in done.output
    assert "ran" not in done.output.split()


@needs_seccomp
def test_without_a_network_there_is_no_socket_and_with_one_none_of_the_file_system(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port})); print('connected')"
        assert "Operation not permitted" in run(tmp_path, connect).output
        assert run(tmp_path, connect, network=True).output.strip() == "connected"
    datagram = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    assert "Operation not permitted" in run(tmp_path, datagram).output
    local = "import socket; socket.socket(socket.AF_UNIX)"
    assert "Operation not permitted" in run(tmp_path, local, network=True).output
    assert run(tmp_path, "import socket; socket.socketpair()").status == 0


@needs_seccomp
def test_a_tool_can_not_leave_the_group_that_is_killed(tmp_path):
    for call in ("os.setsid()", "os.setpgid(0, 0)"):
        assert (
            "Operation not permitted"
            in run(tmp_path, f"import os\nif not os.fork(): {call}\nos.wait()").output
        )


def test_what_a_tool_writes_is_bounded_together(tmp_path):
    large = "for i in range(200): open(f'{i}', 'wb').write(bytes(1 << 20))"
    with pytest.raises(TookTooMuchError, match="more than 10 MiB"):
        run(tmp_path, large, room=10 << 20)
    many = "import os\nfor i in range(5000): os.makedirs(f'm/{i}')"
    with pytest.raises(TookTooMuchError, match="more than 1,000 files"):
        run(tmp_path, many, files=1000)


@needs_proc
def test_a_tool_s_processes_are_bounded_in_number_and_in_memory_together(tmp_path):
    child = "x = bytearray(b'1') * (200 << 20); import time; time.sleep(20)"
    fork = f"import subprocess, sys, time\nchild = {child!r}\nfor i in range(20):\n    "
    fork += "subprocess.Popen([sys.executable, '-c', child])"
    fork += "\ntime.sleep(20)"
    started = time.monotonic()
    with pytest.raises(TookTooMuchError, match="more than 5 processes"):
        run(tmp_path, fork, processes=5)
    with pytest.raises(TookTooMuchError, match="more than 1024 MiB of memory"):
        run(tmp_path, fork)
    assert time.monotonic() - started < 15


def test_a_private_environment_has_no_variable_that_could_be_a_secret(tmp_path, monkeypatch):
    for name in (
        "AWS_SECRET_ACCESS_KEY",
        "PIP_INDEX_URL",
        "npm_config_registry",
        "PYTHONPATH",
        "VIRTUAL_ENV",
    ):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", "/certificates")
    monkeypatch.setenv("LC_ALL", "C")
    quiet, loud = private_environment(tmp_path), private_environment(tmp_path, network=True)
    assert "hunter2" not in quiet.values()
    assert "HTTPS_PROXY" not in quiet
    assert loud["HTTPS_PROXY"] == "http://proxy.example.com"
    assert (quiet["SSL_CERT_FILE"], quiet["LC_ALL"]) == ("/certificates", "C")
    assert quiet["HOME"] == str(tmp_path)
    assert Path(quiet["TMPDIR"]).is_dir()


def test_threads_of_the_host_go_on_while_a_tool_is_confined(tmp_path):
    """The process that becomes the tool confines itself; the host's own threads stay as they are."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads = [threading.Thread(target=run, args=(tmp_path, "pass")) for _ in range(2)]
        for thread in threads:
            thread.start()
        with socket.create_connection(server.getsockname()):
            pass
        for thread in threads:
            thread.join()
