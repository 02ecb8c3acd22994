"""What can go wrong on the host's side, said so that a user knows what to do next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a user's own file; ``line`` counts from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class CapsuleError(Exception):
    """An error for people: what went wrong, where, and what to type next.

    ``exit_code`` is what the CLI ends with: 2 for usage and configuration, 3 for a failed build.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, location: Location | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.location = location

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        hint = f"\nhint: {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


class UsageError(CapsuleError):
    """The command line, or the arguments of `run()`, ask for something that can't be."""


class ConfigError(CapsuleError):
    """``capsule.toml`` or a ``.env`` file can't be used as it stands."""


class PolicyError(CapsuleError):
    """A task's declared options can't be used, or go over a ceiling."""


class ArtifactError(CapsuleError):
    """A ``.wasm`` file isn't something that capsule can run."""


class BuildError(CapsuleError):
    """A source could not be turned into an artifact.

    ``traceback`` is the language's own account of it, for errors in the user's code.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        location: Location | None = None,
        traceback: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, location=location)
        self.traceback = traceback
