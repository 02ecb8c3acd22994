"""What of the things that a command did should not have happened: everything that is not on these lists."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from repositories.operators import CANARIES, Operator
from repositories.tracing import Sent, Started, Traced

ROOT = Path(__file__).parent.parent.parent.parent
COMMAND = str(Path(sysconfig.get_path("scripts")) / "capsule")

SYSTEM_READ = re.compile(
    r"/usr/.*|/lib(?:64)?/.*|/etc/(?:ld\.so\..*|ssl(?:/.*)?|localtime|locale\.alias|mime\.types|nsswitch\.conf"
    r"|resolv\.conf|hosts|host\.conf|gai\.conf|protocols|services|os-release|debian_version|magic)"
    r"|/opt/.*|/dev/(?:null|u?random|tty)|/proc(?:/sys/.*)?|/proc/(?:cpuinfo|meminfo|stat|loadavg|filesystems|mounts|version)"
    r"|/proc/\d+/(?:stat|statm|status|maps|mounts|mountinfo|limits|oom_score_adj|cgroup|fd|task(?:/.*)?)"
    r"|/sys/(?:devices/system/cpu|fs/cgroup|kernel/mm|kernel/security).*|/"
)
SYSTEM_WRITE = re.compile(r"/dev/(?:null|tty)|/proc/\d+/oom_score_adj|/dev/shm/[\w.-]+")

OPERATORS_SETTINGS = (".config/pip/pip.conf", ".config/uv/uv.toml", ".pip/pip.conf", ".npmrc", ".gitconfig")
"""Files of the home from which settings for tools are read; what is in them leaves no more than the rest."""

ZYGOTE = "capsule.workers.zygote"
"""What forks workers has no ``HOME``, so that Python looks up where that is; no worker may."""

LARGEST_SEARCHED = 64 << 20


_INDEX = re.compile(r"(?:GET|HEAD) /simple/[\w.-]+/? HTTP")
"""What an installer asks the operator's index: for a package, by its name."""


def within(path: str, folder: Path | str) -> bool:
    """Whether a path is a folder, or lies in it."""
    return path == str(folder) or path.startswith(f"{folder}/")


@cache
def _installed() -> tuple[str, ...]:
    """Where this Python, its packages and the tools on the path are."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.realpath(sys.executable)}
    places |= {str(ROOT / name) for name in ("capsule", "cache", "plugins", "wit", ".venv")}
    places |= {str(file) for file in (ROOT, ROOT / "pyproject.toml")}
    for tool in ("uv", "node", "npm", "git", "python3"):
        found = shutil.which(tool)
        if found:
            places |= {found, os.path.realpath(found), str(Path(os.path.realpath(found)).parent)}
    places.discard("/usr/bin")
    return tuple(places | {os.path.realpath(place) for place in places if Path(place) != ROOT})


def _is_installed(path: str) -> bool:
    return any(path == place if place == str(ROOT) else within(path, place) for place in _installed())


def _is_byte_code(path: str) -> bool:
    """Whether a path is one of our own modules, compiled: Python keeps them, beside their sources."""
    return "/__pycache__" in path and any(within(path, place) for place in _installed() if place != str(ROOT))


def noticed(traced: Traced, operator: Operator, asked: list[str]) -> list[str]:
    """Everything that should not have happened, in words. ``asked`` is what the recorder was asked."""
    return [
        *dict.fromkeys(
            [
                *_ends(traced),
                *(f"ran {one.program} {list(one.argv)[:8]}" for one in _foreign(traced, operator)),
                *_files(traced, operator),
                *(f"sent: {one.call} to {one.address}" for one in traced.sent if _leaves(one, operator)),
                *(f"strange: {one}" for one in traced.strange),
                *(f"asked: {one.splitlines()[0]}" for one in asked if not _INDEX.match(one)),
                *_leaked(traced, operator, asked),
                *(f"left behind: {path.name}" for path in operator.temporary.iterdir()),
            ]
        )
    ]


def _ends(traced: Traced) -> Iterator[str]:
    if traced.status is None:
        yield "did not end in time"
    elif traced.status not in (0, 1, 2, 3):
        yield f"ended with {traced.status}"
    if b"Traceback" in traced.stderr + traced.stdout:
        yield "showed a traceback"


def _foreign(traced: Traced, operator: Operator) -> Iterator[Started]:
    for number, one in enumerate(traced.started):
        if number == 0 and one.program == COMMAND:
            continue
        if not _is_ours(one, operator):
            yield one


def _is_ours(one: Started, operator: Operator) -> bool:
    """Our own processes and tools, by their absolute path and the shape of their arguments."""
    program, argv = one.program, one.argv
    if within(program, operator.repository) or not argv or not argv[0].startswith("/"):
        return False
    if program == sys.executable:
        return argv[1:2] == ("-I",)
    if program == shutil.which("git"):
        named = (
            argv[3] if argv[1:3] == ("config", "--file") else "".join(argv[1:2]).removeprefix("--git-dir=")
        )
        return within(named, operator.temporary)
    # Tools that we installed for ourselves (the type checker, esbuild, the C compiler), and the path's.
    tools = (shutil.which(name) for name in ("uv", "node"))
    return within(program, operator.cache) or program in {
        os.path.realpath(tool) for tool in tools if tool
    } | {tool for tool in tools if tool}


def _files(traced: Traced, operator: Operator) -> Iterator[str]:
    kept = (operator.repository / ".capsule", operator.temporary, operator.cache)
    read = (operator.repository, *kept)
    settings = {str(operator.home / name) for name in OPERATORS_SETTINGS}
    for one in traced.opened:
        if re.match(r"(?:pipe|socket|anon_inode|/memfd):|UNIX|TCP|UDP|NETLINK", one.path):
            continue
        if one.writable:
            if not (
                any(within(one.path, place) for place in kept)
                or SYSTEM_WRITE.fullmatch(one.path)
                or _is_byte_code(one.path)
            ):
                yield f"opened for writing: {one.path}"
        elif not (
            any(within(one.path, place) for place in read)
            or one.path in settings
            or one.path == str(operator.cache.parent)  # the folder itself: whose it is
            or Path(one.path) in operator.repository.parents  # the names in it: a bundler looks upwards
            or (one.path == "/etc/passwd" and ZYGOTE in "".join(one.by))
            or _is_installed(one.path)
            or SYSTEM_READ.fullmatch(one.path)
        ):
            yield f"read: {one.path}"
    for change in traced.changed:
        if not any(within(change.path, place) for place in kept) and not _is_byte_code(change.path):
            yield f"changed: {change.call} {change.path}"


def _leaves(one: Sent, operator: Operator) -> bool:
    recorder = f"sin_port=htons({operator.recorder.port})" in one.address and "127.0.0.1" in one.address
    return not recorder


def _leaked(traced: Traced, operator: Operator, asked: list[str]) -> Iterator[str]:
    found = re.compile("|".join(sorted(CANARIES)))
    for what, texts in {"a call": traced.words, "a request": asked}.items():
        for text in texts:
            for secret in set(found.findall(text)):
                yield f"leaked: {secret} in {what}: {text[:60]}"
    for name, stream in {"stdout": traced.stdout, "stderr": traced.stderr}.items():
        for secret in set(found.findall(stream.decode("utf-8", "replace"))):
            yield f"leaked: {secret} in {name}"
    for path in {one.path for one in traced.opened if one.writable} | {one.path for one in traced.changed}:
        file = Path(path)
        if within(path, operator.home) or not file.is_file() or file.is_symlink():
            continue
        if file.stat().st_size <= LARGEST_SEARCHED:
            for secret in set(found.findall(file.read_bytes().decode("latin-1"))):
                yield f"leaked: {secret} in {path}"
