"""What a run is held to besides its file's own declarations: ceilings, and required signatures.

For a source that is its project's ``capsule.toml``, and what the caller gives. A ``.wasm`` is handed about
without its project, and run from wherever one happens to work: there the ``capsule.toml`` of the working
directory holds too, with its ``[limits]`` and ``[signatures]``, even when the file lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.errors import ArtifactError, UsageError
from capsule.frontend.manager import Plugins
from capsule.policy.limits import Limits
from capsule.project.config import Config, find_root
from capsule.project.opened import Project, known_settings
from capsule.project.workspace import seen_from

if TYPE_CHECKING:
    from capsule.artifact.signing import Requirement

ARTIFACT_SUFFIX = ".wasm"


@dataclass(frozen=True, slots=True)
class Oversight:
    """Ceilings, and files of public keys with who asks for them: an artifact needs a signature by each."""

    limits: Limits
    signatures: tuple[tuple[Path, str], ...] = ()

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
    ceilings = project.config.limits
    if is_artifact:
        required += _required(project.config)
        here = _elsewhere(project, cwd, plugins)
        if here is not None:
            required += _required(here)
            ceilings = ceilings.merge(_translated(here, project.root))
    return Oversight(ceilings if limits is None else ceilings.merge(limits), tuple(dict.fromkeys(required)))


def _required(config: Config) -> list[tuple[Path, str]]:
    return [(one.file, f"[signatures] required ({one.location})") for one in config.signatures]


def _elsewhere(project: Project, cwd: Path, plugins: Plugins) -> Config | None:
    """The settings of the working directory, when they are not the project's own."""
    root, config_file = find_root(cwd, cwd)
    if config_file is None or config_file == project.config.file:
        return None
    return known_settings(plugins).of(root, config_file).config


def _translated(config: Config, root: Path) -> Limits:
    """The ceilings of other settings, with folders as a project at ``root`` calls them."""
    if root.is_relative_to(config.root):
        return seen_from(config.limits, root.relative_to(config.root).as_posix())
    if config.limits.allowed_files is None:
        return config.limits
    # Its folders lie in another project: none of them is among those that an artifact here could mean.
    return replace(config.limits, allowed_files=())


def check_signatures(data: bytes, requirements: tuple[Requirement, ...], *, name: str) -> None:
    """Raises `ArtifactError` unless the artifact is signed as all of these ask."""
    if requirements:
        from capsule.artifact.signing import verify

        try:
            verify(data, requirements, name=name)
        except ArtifactError as error:
            raise ArtifactError(f"refused: {error.message}", hint=error.hint) from None
