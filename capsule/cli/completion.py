"""``capsule --install-completion``: asks before it writes to a shell's files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from capsule.cli.common.exits import EXIT_OK, EXIT_USAGE
from capsule.cli.common.render import write_line
from capsule.errors import UsageError

if TYPE_CHECKING:
    from cyclopts import App

Shell = Literal["zsh", "bash", "fish"]

STARTUP: dict[str, str] = {"zsh": "~/.zshrc", "bash": "~/.bashrc"}
"""Where a line is added, so that the shell finds the completion. fish needs none."""


def install_completion(app: App, shell: Shell | None, *, yes: bool) -> int:
    """Writes the completion for a shell, if the user agrees. Raises `UsageError`."""
    from cyclopts.completion.detect import ShellDetectionError, detect_shell

    try:
        chosen = shell or detect_shell()
    except ShellDetectionError:
        raise UsageError(
            "which shell this is can't be told", hint="capsule --install-completion --shell bash"
        ) from None
    startup = STARTUP.get(chosen)
    also = f", and a line that loads it into {startup}" if startup else ""
    what = f"capsule's completion into the folder that {chosen} has for it{also}"
    if not yes and not _agreed(what):
        write_line("nothing was written")
        return EXIT_USAGE
    try:
        path = app.install_completion(shell=chosen)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror or error}") from None
    write_line(str(path))
    write_line(f"next: start {chosen} anew")
    return EXIT_OK


def _agreed(what: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            f"this would write {what}, and there is nobody to ask",
            hint="capsule --install-completion --yes",
        )
    sys.stderr.write(f"Write {what}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
