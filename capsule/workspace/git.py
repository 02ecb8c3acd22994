"""Asks git about a repository that may be anybody's: nothing that the repository says is run, or fetched.

A repository's own settings name programs (filters, hooks, monitors, drivers for differences, helpers for
credentials), and there is no end to their names, so that overriding them can't be complete. Here git never
reads them. It gets a private folder in the place of ``.git``, with settings of ours, copies of the index and
of the references, and links to the files in which objects are kept; and an environment of ours. So there is
no setting, no hook, no attribute of yours, no remote to fetch from and no other store of objects. What the
files of the repository itself say (``.gitattributes``, ``.gitmodules``) can only name what isn't there.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capsule.errors import UsageError
from capsule.frontend.inputs import LARGEST_SETTINGS, InputError, InputMissing, read_input
from capsule.frontend.owner import check_owner
from capsule.frontend.programs import find_program, program_folders

TIMEOUT: Final = 120.0
MOST_OUTPUT: Final = 256 << 20
"""Bytes that git may say: names of files."""

LARGEST_INDEX: Final = 1 << 30
MOST_REFERENCES: Final = 50_000
MOST_PACKS: Final = 50_000
MEMORY: Final = 4 << 30

_KEPT = {
    "core.filemode": re.compile(r"true|false", re.IGNORECASE),
    "core.symlinks": re.compile(r"true|false", re.IGNORECASE),
    "core.ignorecase": re.compile(r"true|false", re.IGNORECASE),
    "core.precomposeunicode": re.compile(r"true|false", re.IGNORECASE),
    "core.autocrlf": re.compile(r"true|false|input", re.IGNORECASE),
    "core.eol": re.compile(r"lf|crlf|native", re.IGNORECASE),
    "core.repositoryformatversion": re.compile(r"[01]"),
    "extensions.objectformat": re.compile(r"sha1|sha256"),
}
"""What is taken over of a repository's settings, and the values that it may have: how its files are read."""

_OURS = """\
[core]
\tbare = false
\tfsmonitor = false
\tuntrackedCache = false
\tquotePath = false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\thooksPath = /dev/null
\tcommitGraph = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[protocol]
\tallow = never
[submodule]
\trecurse = false
[diff]
\tignoreSubmodules = all
"""

_PACK = re.compile(r"(?:pack-[0-9a-f]{40,64}\.(?:pack|idx|rev|bitmap|mtimes))")
_HEAD = re.compile(r"ref: refs/|[0-9a-f]{40}")
_FAN = re.compile(r"[0-9a-f]{2}")
_HINT = (
    "--affected --since REVISION needs a git repository that has this revision; "
    "a shallow clone gets it with: git fetch --unshallow"
)


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository's working tree, and the private folder that stands for its ``.git``."""

    top: Path
    private: Path

    def git(self, *arguments: str, problem: str | None = None) -> str:
        """What a command of git's prints. Raises `UsageError`, which says ``problem``, when it fails."""
        program = find_program("git")
        if program is None:
            raise UsageError("--affected needs git, and it isn't installed", hint="install git")
        command = [program, f"--git-dir={self.private}", f"--work-tree={self.top}", *arguments]
        status, output, said = _run(command, self.top, self._environment())
        if status != 0:
            lines = said.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
            raise UsageError(f"--affected: {problem or 'git failed'}: {lines[0][:300]}", hint=_HINT)
        return os.fsdecode(output)

    def _environment(self) -> dict[str, str]:
        """All that git gets: nothing of the caller's but the path, by which git finds its own parts."""
        return {
            "PATH": os.pathsep.join(program_folders()),
            "HOME": str(self.private),
            "XDG_CONFIG_HOME": str(self.private),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_CEILING_DIRECTORIES": str(self.private.parent),
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_PAGER": "cat",
        }


@contextmanager
def opened(folder: Path) -> Iterator[Repository]:
    """The repository that ``folder`` lies in, for as long as the block lasts.

    Raises `UsageError` where there is none or it can't be used, and `ConfigError` when it is somebody else's.
    """
    top, own, common = _found(folder)
    with tempfile.TemporaryDirectory(prefix="capsule-git-") as name:
        private = Path(name)
        try:
            _lay_out(private, own, common)
        except InputError as error:
            raise UsageError(f"--affected: {own} can't be used: {error.reason}", hint=error.hint) from None
        except OSError as error:
            raise UsageError(f"--affected: {own} can't be read: {error.strerror or error}") from None
        yield Repository(top, private)


def _found(folder: Path) -> tuple[Path, Path, Path]:
    """The top of the working tree, its own git folder, and the one that it has in common with others."""
    for top in (folder, *folder.parents):
        place = top / ".git"
        if not os.path.lexists(place):
            continue
        check_owner(place)
        own = place
        if not place.is_dir():
            text = _text(place, within=top) or ""
            if not text.startswith("gitdir: "):
                raise UsageError(f"--affected: {place} is no git folder", hint=_HINT)
            own = Path(os.path.normpath(top / text.removeprefix("gitdir: ").strip()))
            check_owner(own)
        # Nothing else of a folder is read that a file of the repository may only call one of git's.
        if not _HEAD.match(_text(own / "HEAD", within=own) or ""):
            raise UsageError(f"--affected: {own} is no git folder", hint=_HINT)
        shared = _text(own / "commondir", within=own)
        common = own if shared is None else Path(os.path.normpath(own / shared.strip()))
        check_owner(common)
        return top, own, common
    raise UsageError(
        f"--affected: this is no git repository: {folder}",
        hint="type it in a clone, or without --affected: capsule build",
    )


def _text(file: Path, *, within: Path) -> str | None:
    try:
        return os.fsdecode(read_input(file, most=LARGEST_SETTINGS, within=within))
    except InputMissing:
        return None
    except InputError as error:
        raise UsageError(f"--affected: {file}: {error.reason}", hint=error.hint) from None


def _lay_out(private: Path, own: Path, common: Path) -> None:
    (private / "config").write_text(_settings(common) + _OURS)
    for name, source in (("HEAD", own), ("packed-refs", common), ("shallow", common)):
        _copy(source / name, private / name, 64 << 20, within=source)
    _copy(own / "index", private / "index", LARGEST_INDEX, within=own)
    for shared in own.glob("sharedindex.*"):
        _copy(shared, private / shared.name, LARGEST_INDEX, within=own)
    (private / "info").mkdir()
    _copy(common / "info" / "exclude", private / "info" / "exclude", LARGEST_SETTINGS, within=common)
    _copy_references(common / "refs", private / "refs")
    if own != common:
        _copy_references(own / "refs", private / "refs")
    _link_objects(common / "objects", private / "objects")


def _copy(source: Path, target: Path, most: int, *, within: Path) -> None:
    with suppress(InputMissing):
        before = source.lstat().st_mtime_ns if os.path.lexists(source) else 0
        target.write_bytes(read_input(source, most=most, within=within))
        # git reads a file anew that changed in the moment of the index or later: the copy is as old as it.
        os.utime(target, ns=(before, before))


def _copy_references(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    count = 0
    for folder, _, names in os.walk(source):
        inside = target / os.path.relpath(folder, source)
        inside.mkdir(parents=True, exist_ok=True)
        for name in names:
            count += 1
            if count > MOST_REFERENCES:
                raise InputError(f"more than {MOST_REFERENCES} loose references", "git pack-refs --all")
            with suppress(InputError):
                (inside / name).write_bytes(read_input(Path(folder, name), most=4096, within=source))


def _link_objects(source: Path, target: Path) -> None:
    """Links to the files that hold objects, and to nothing that says where else there are some."""
    alternates = source / "info" / "alternates"
    if os.path.lexists(alternates):
        raise InputError(
            "its objects lie in another repository (objects/info/alternates), which nothing here vouches for",
            "git repack -a -d && rm .git/objects/info/alternates",
        )
    (target / "pack").mkdir(parents=True)
    with os.scandir(source) as entries:
        for entry in entries:
            if _FAN.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                (target / entry.name).symlink_to(entry.path)
    with suppress(FileNotFoundError), os.scandir(source / "pack") as entries:
        for count, entry in enumerate(entries):
            if count > MOST_PACKS:
                raise InputError(f"more than {MOST_PACKS} packs", "git gc")
            if _PACK.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                (target / "pack" / entry.name).symlink_to(entry.path)


def _settings(common: Path) -> str:
    """The repository's settings that say how its files are to be read, and no others."""
    content = _text(common / "config", within=common)
    if content is None:
        return ""
    with tempfile.TemporaryDirectory(prefix="capsule-git-") as name:
        copy = Path(name, "config")
        copy.write_bytes(os.fsencode(content))
        program = find_program("git")
        if program is None:
            raise UsageError("--affected needs git, and it isn't installed", hint="install git")
        command = [program, "config", "--file", str(copy), "--no-includes", "--null", "--list"]
        status, output, _ = _run(command, Path(name), Repository(Path(name), Path(name))._environment())
    if status != 0:
        raise UsageError(f"--affected: git can't read {common / 'config'}", hint=_HINT)
    found: dict[str, str] = {}
    for line in os.fsdecode(output).split("\0"):
        key, _, value = line.partition("\n")
        pattern = _KEPT.get(key.lower())
        if pattern is not None and pattern.fullmatch(value):
            found[key.lower()] = value
        elif key.lower() == "extensions.refstorage" and value != "files":
            hint = "git refs migrate --ref-format=files"
            raise InputError(f"its references are kept as {value[:20]!r}", hint)
    return "".join(_setting(key, value) for key, value in found.items())


def _setting(key: str, value: str) -> str:
    section, _, name = key.partition(".")
    return f"[{section}]\n\t{name} = {value}\n"


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """A command's status, what it printed, and what it said of errors. Raises `UsageError`."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        ) as child,
    ):
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _kill(child)

        timer = threading.Timer(TIMEOUT, give_up)
        timer.start()
        if sys.platform == "linux":
            with suppress(OSError, ValueError):  # it has ended, or its limit is lower
                resource.prlimit(child.pid, resource.RLIMIT_DATA, (MEMORY, MEMORY))
        try:
            assert child.stdout is not None
            output = child.stdout.read(MOST_OUTPUT + 1)
            if len(output) > MOST_OUTPUT:
                raise UsageError("--affected: git names more files than can be looked at", hint=_HINT)
            status = child.wait()
        finally:
            timer.cancel()
            if child.poll() is None:
                _kill(child)
        if late.is_set():
            raise UsageError(f"git took longer than {TIMEOUT:g} seconds")
        said.seek(0)
        return status, output, said.read(1 << 16)


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
