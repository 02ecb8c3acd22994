"""Which folders of the host a sandbox sees, and where.

A task's ``allowed_files`` are folders below the project root; inside the sandbox the root is ``/``,
which is also the guest's working directory, so ``./output/x`` means the same on both sides. Mounts
are the operator's own grants: they may lie anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from capsule.errors import PolicyError, UsageError
from capsule.policy.model import FileGrant
from capsule.runtime.protected import Protected

DESCRIPTORS = Path("/proc/self/fd")
"""Where Linux shows a process its descriptors as paths."""

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

PROGRAM_FILES = "/app"
"""Where a program's own files are mounted, read-only."""


@dataclass(frozen=True, slots=True)
class Preopen:
    """A folder of the host, real path and absolute, at a path in the sandbox."""

    host: Path
    guest: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Mount:
    """An operator's grant: ``--mount HOST[::GUEST][:ro|:rw]``."""

    host: Path
    guest: str
    writable: bool


@contextmanager
def opened(folder: Path) -> Iterator[str]:
    """A path by which to open ``folder`` (real and absolute), that nobody can redirect any more.

    Raises `PolicyError` when it isn't a folder any more.
    """
    if not DESCRIPTORS.is_dir():
        yield str(folder)
        return
    with held(folder) as descriptor:
        yield str(DESCRIPTORS / str(descriptor))


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """A descriptor of ``folder`` (real and absolute).

    A task may write near a folder that another one is granted: between our check and wasmtime's open it
    could put a symbolic link in its place. So the folder is opened here, part by part and following no
    links, and handed over by its descriptor. Raises `PolicyError` when it isn't a folder any more.
    """
    with ExitStack() as open_folders:
        descriptor = os.open("/", FOLDER_FLAGS)
        open_folders.callback(os.close, descriptor)
        try:
            for part in folder.parts[1:]:
                descriptor = os.open(part, FOLDER_FLAGS, dir_fd=descriptor)
                open_folders.callback(os.close, descriptor)
        except OSError as error:
            raise PolicyError(
                f"{folder.name} can't be opened as a folder: {error.strerror or error}"
            ) from None
        yield descriptor


def parse_mount(text: str, cwd: Path, label: str = "mounts:") -> Mount:
    """Reads ``HOST[::GUEST][:ro|:rw]``; HOST is relative to ``cwd``, and writable unless it says ``:ro``.

    Without GUEST the folder appears in the sandbox under the path that was given. ``label`` is what errors
    call it: ``--mount`` where somebody typed it. Raises `UsageError`.
    """
    rest, writable = text, True
    for suffix, mode in ((":ro", False), (":rw", True)):
        if rest.endswith(suffix):
            rest, writable = rest.removesuffix(suffix), mode
            break
    host_text, separator, guest_text = rest.partition("::")
    accepted = "HOST[::GUEST][:ro|:rw], like ./data::/data:ro"
    if not host_text or "\0" in text or (separator and not guest_text):
        raise UsageError(f"{label} {text!r} is not of the form {accepted}")
    try:
        host = Path(os.path.realpath(cwd / Path(host_text).expanduser()))
        is_folder = host.is_dir()
    # Too long a name, `~somebody` whom nobody knows, and text that no file system can hold.
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{label} {text!r}: not a path that can be used: {reason}", hint=f"write {accepted}"
        ) from None
    if not is_folder:
        raise UsageError(
            f"{label} {text!r}: {host_text} is not a folder",
            hint=f"mkdir -p {host_text}  # or another folder",
        )
    guest = PurePosixPath("/") / (guest_text or Path(host_text).as_posix())
    if ".." in guest.parts:
        if guest_text:
            raise UsageError(f"{label} {text!r}: the path in the sandbox can't have '..'")
        guest = PurePosixPath("/") / host.name
    return Mount(host, str(guest), writable)


def mount_preopens(mounts: Iterable[Mount], protected: Protected) -> list[Preopen]:
    """The operator's mounts. Raises `UsageError` for a writable one that covers what is protected."""
    preopens = []
    for mount in mounts:
        covered = protected.covered_by(mount.host) if mount.writable else None
        if covered is not None:
            raise UsageError(
                f"the mount {mount.host} is writable and {covered.why}",
                hint="mount it read-only (:ro), mount a folder below it, or set "
                f"allow_project_writes = {protected.word_for(mount.host)} under [limits] in capsule.toml",
            )
        preopens.append(Preopen(mount.host, mount.guest, mount.writable))
    return preopens


def grant_preopens(
    grants: Iterable[FileGrant],
    root: Path,
    protected: Protected,
    *,
    origin: str,
    tell: Callable[[str], None] = lambda sentence: None,
) -> list[Preopen]:
    """A task's ``allowed_files``, below ``root``.

    A writable folder that isn't there is made; a read-only one that isn't there is left out, so that
    the guest finds no such file. Either is told in a sentence. Raises `PolicyError` for a path that leads
    out of the root through a symbolic link, that is no folder, or that is writable and covers what is
    protected.
    """
    preopens = []
    real_root = Path(os.path.realpath(root))
    for grant in grants:
        try:
            preopen = _granted(grant, real_root, protected, origin, tell)
        except OSError as error:  # it can't be made, or somebody moves it about while we look
            reason = error.strerror or str(error)
            raise PolicyError(f"allowed_files: {grant.path!r} ({origin}) can't be used: {reason}") from None
        if preopen is not None:
            preopens.append(preopen)
    return preopens


def _make(folder: Path) -> None:
    """Makes a folder (real and absolute) and those above it, following no links. Raises `OSError`."""
    descriptor = os.open("/", FOLDER_FLAGS)
    try:
        for part in folder.parts[1:]:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=descriptor)  # pathlib has no descriptors
            inner = os.open(part, FOLDER_FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
    finally:
        os.close(descriptor)


def granted_folder(grant: FileGrant, real_root: Path, protected: Protected, origin: str) -> Path:
    """The folder of the host that a grant is about, whether or not it exists.

    Raises `PolicyError` for one that may not be granted, and for what is no folder.
    """
    relative = PurePosixPath(grant.path)
    if relative.is_absolute() or ".." in relative.parts:
        raise PolicyError(f"allowed_files: {grant.path!r} ({origin}) is not a path below the project root")
    folder = Path(os.path.realpath(real_root / relative))
    if folder != real_root and real_root not in folder.parents:
        raise PolicyError(
            f"allowed_files: {grant.path!r} ({origin}) leads out of the project through a symbolic link",
            hint="name a folder inside the project, or mount the other one for the run: --mount, or mounts=",
        )
    covered = protected.covered_by(folder) if grant.writable else None
    if covered is not None:
        raise PolicyError(
            f"allowed_files: {grant.path!r} ({origin}) is writable and {covered.why}",
            hint=f'grant it read-only ({{"path": "{grant.path}", "mode": "ro"}}), a folder below it, '
            f"or set allow_project_writes = {protected.word_for(folder)} under [limits] in capsule.toml",
        )
    if folder.exists() and not folder.is_dir():
        raise PolicyError(
            f"allowed_files: {grant.path!r} ({origin}) is not a folder",
            hint="allowed_files takes folders; name the folder that the file lies in",
        )
    return folder


def _granted(
    grant: FileGrant, real_root: Path, protected: Protected, origin: str, tell: Callable[[str], None]
) -> Preopen | None:
    folder = granted_folder(grant, real_root, protected, origin)
    if not folder.exists():
        listed = f"the folder {grant.path!r} of allowed_files ({origin})"
        if not grant.writable:
            tell(f"{listed} isn't there; it is read-only, so it isn't made")
            return None
        _make(folder)
        tell(f"made {listed}, which wasn't there")
    return Preopen(folder, str(PurePosixPath("/") / grant.path), grant.writable)
