"""What a run is held to besides its file's own declarations: ceilings, and required signatures.

Files are handed about, linked to, and copied with settings of their own, so that what lies beside a file
says little about who may bound it. A run is held to every ``capsule.toml`` that has a claim: of the working
folder, of each folder on the way to the file (as it was typed, through links, to where it really lies), and
of all folders above those. None of them can lift what another says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.errors import ArtifactError, UsageError
from capsule.frontend.manager import Plugins
from capsule.policy.limits import Limits
from capsule.policy.model import FileGrant
from capsule.project.config import CONFIG_NAME, Config, is_there, load_config
from capsule.project.opened import Project, known_tables
from capsule.project.passed import folders_passed, working_folder_as_typed
from capsule.project.workspace import seen_from

if TYPE_CHECKING:
    from capsule.artifact.signing import Requirement

ARTIFACT_SUFFIX = ".wasm"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The ceilings of one place, as written there: a ``capsule.toml``, or with None the caller's own."""

    written_in: str | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class Oversight:
    """Ceilings, and files of public keys with who asks for them: an artifact needs a signature by each.

    ``limits`` are what all of ``ceilings`` come to together; folders in them are those of the project's root.
    """

    limits: Limits
    signatures: tuple[tuple[Path, str], ...] = ()
    ceilings: tuple[Ceiling, ...] = ()

    def requirements(self) -> tuple[Requirement, ...]:
        """The keys, read. Raises `UsageError` for a file that holds none."""
        if not self.signatures:
            return ()
        from capsule.artifact.signing import Requirement, read_public_keys

        return tuple(Requirement(origin, read_public_keys(path)) for path, origin in self.signatures)


def oversight(
    project: Project,
    cwd: Path,
    plugins: Plugins,
    *,
    limits: Limits | None = None,
    require_signatures: Iterable[Path] = (),
) -> Oversight:
    """What a run of a project's file is held to, started in ``cwd``.

    ``limits`` and ``require_signatures`` (relative to ``cwd``) are the caller's own.
    Raises `UsageError` when a signature is asked of a source, `ConfigError` for bad settings.
    """
    is_artifact = project.source.suffix.lower() == ARTIFACT_SUFFIX
    required = [(cwd / path, f"--require-signature {path}") for path in require_signatures]
    if required and not is_artifact:
        raise UsageError(
            f"{project.source.name} is a source, and signatures are of artifacts",
            hint=f"capsule build {project.source.name} --export --sign KEYFILE",
        )
    others = tuple(_others(project, cwd, plugins))
    merged = project.config.limits
    ceilings = [Ceiling(_own_name(project), merged)]
    for other in others:
        merged = merged.merge(_translated(other, project.root))
        ceilings.append(Ceiling(str(other.file), other.limits))
    # Unlike the rest, this widens: who doesn't say it denies it.
    files = tuple(config for config in (project.config, *others) if config.file is not None)
    silent = [str(each.file) for each in files if not each.limits.allow_project_writes]
    if merged.allow_project_writes and silent:
        origins = {**merged.origins, "allow_project_writes": f"not allowed by {silent[0]}"}
        merged = replace(merged, allow_project_writes=False, origins=origins)
    if is_artifact:
        for config in (project.config, *others):
            required += _required(config)
    if limits is not None:
        merged = merged.merge(limits)
        ceilings.append(Ceiling(None, limits))
    said = tuple(each for each in ceilings if each.limits.origins)
    return Oversight(merged, tuple(dict.fromkeys(required)), said)


def _required(config: Config) -> list[tuple[Path, str]]:
    return [(one.file, f"[signatures] required ({one.location})") for one in config.signatures]


def _own_name(project: Project) -> str:
    file = str(project.root / CONFIG_NAME)
    if project.workspace is None or project.workspace == project.root:
        return file
    return f"{file}, {project.workspace / CONFIG_NAME}"


def _others(project: Project, cwd: Path, plugins: Plugins) -> Iterator[Config]:
    """The settings that have a claim besides those that the project's own were made of, the nearest first."""
    known = {project.workspace} if project.config.file is None else {project.workspace, project.root}
    ways = (cwd.absolute(), working_folder_as_typed(cwd), project.asked or project.source, project.source)
    folders = dict.fromkeys(folder for way in ways for folder in reversed(folders_passed(way)))
    real_cwd = cwd.resolve()
    for folder in folders:
        file = folder / CONFIG_NAME
        if folder in known or not is_there(file):
            continue
        # A bare name would be taken for the project's own.
        bare = folder == real_cwd and project.config.file is None
        yield load_config(file, folder, known_tables(plugins), shown=CONFIG_NAME if bare else str(file))


def _translated(config: Config, root: Path) -> Limits:
    """The ceilings of other settings, with folders as a project at ``root`` calls them."""
    if root.is_relative_to(config.root):
        return seen_from(config.limits, root.relative_to(config.root).as_posix())
    files, writes = config.limits.allowed_files, config.limits.allow_project_writes
    inner = config.root.relative_to(root) if config.root.is_relative_to(root) else None
    moved = config.limits
    # Folders of another project are not among those that a task here could mean.
    if files is not None:
        ours = () if inner is None else files
        here = tuple(FileGrant(_below(inner, grant.path), grant.writable) for grant in ours)
        moved = replace(moved, allowed_files=here)
    if not isinstance(writes, bool):
        named = () if inner is None else writes
        moved = replace(moved, allow_project_writes=tuple(_below(inner, path) for path in named))
    return moved


def _below(folder: Path | None, path: str) -> str:
    return path if folder is None else (folder / path).as_posix()


def check_signatures(data: bytes, requirements: tuple[Requirement, ...], *, name: str) -> None:
    """Raises `ArtifactError` unless the artifact is signed as all of these ask."""
    if requirements:
        from capsule.artifact.signing import verify

        try:
            verify(data, requirements, name=name)
        except ArtifactError as error:
            raise ArtifactError(f"refused: {error.message}", hint=error.hint) from None
