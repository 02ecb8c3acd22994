"""Code that is in no file: what it may use, and how it becomes something that can be started.

A frontend turns it into a small project, which is kept in the user's cache and built as any other. It runs
as if it lay in the caller's own project: there are its folders, its variables, its secrets and its record.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from capsule.build.oversight import oversight
from capsule.errors import BuildError, Location, PolicyError, UsageError
from capsule.frontend.installing import install_line
from capsule.frontend.manager import Plugins
from capsule.frontend.spec import Snippet, Snippets
from capsule.launch.prepare import Prepared, elsewhere, prepare
from capsule.policy.limits import Limits
from capsule.policy.model import GRANTS
from capsule.policy.options import OPTIONS
from capsule.policy.problems import name_hint, show
from capsule.policy.resolve import UNBOUNDED, UNLIMITED
from capsule.project.config import find_root
from capsule.project.opened import Project, known_settings
from capsule.project.user_cache import private_folder
from capsule.runtime.loaded import Loaded

LARGEST: Final = 16 << 20
"""Characters of one piece of code."""

MOST_KEPT: Final = 1000
"""Small projects in the user's cache; the oldest make room."""

DEFAULTS: Final[Mapping[str, object]] = {
    "compute": "MEDIUM",
    "ram": "512MB",
    "timeout": "60s",
    "max_retries": 0,
    **{name: [] for name in GRANTS},
}
"""What code may use of which nobody has said how much: no folder, host, variable or secret."""

_THE_CALL: Final = Location("the call")
_BY_DEFAULT: Final = "what code in no file may use by default"


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of code: its ``text``, its ``language``, and what it may use.

    ``options`` are those of a task, as a source would have them; what isn't among them is as `DEFAULTS` say,
    also for a program that declares more for its tasks. ``packages`` are what it may import besides.
    """

    text: str
    language: str = "python"
    packages: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def ceilings(self) -> Limits:
        """The options as ceilings. Raises `PolicyError`."""
        for name in self.options:
            if name not in OPTIONS:
                raise PolicyError(f"code has no option {show(name)}", hint=name_hint(name, OPTIONS))
        given = {name: value for name, value in self.options.items() if value is not None}
        capped = {name: value for name, value in given.items() if not _is_unlimited(name, value)}
        rest = {name: value for name, value in DEFAULTS.items() if name not in given}
        default = Limits.parse(rest, "code")
        default = replace(default, origins={name: f"{_BY_DEFAULT} ({name}=)" for name in default.origins})
        return default.merge(Limits.parse(capped, "the call's"))


@dataclass(frozen=True, slots=True)
class PreparedCode:
    """Code that is ready to run: start its task ``main`` with these arguments, under these ceilings."""

    prepared: Prepared
    args: tuple[Any, ...]
    limits: Limits


def prepare_code(code: Code, cwd: Path, plugins: Plugins, *, progress: Callable[[str], None]) -> PreparedCode:
    """Makes code ready to run. Raises `CapsuleError` for whatever is wrong with it."""
    if len(code.text) > LARGEST:
        raise UsageError(f"code has {len(code.text):,} characters, and may have {LARGEST:,}")
    limits = code.ceilings()
    frontend = _frontend_for(code.language, plugins)
    options = {name: value for name, value in code.options.items() if value is not None}
    snippet = frontend.snippet(code.text, {"compute": UNLIMITED, **options}, code.packages)
    source = _kept(snippet)
    prepared = prepare(source, cwd, plugins, progress=progress, noted=False)
    caller, has_settings = _project_of(cwd, source, plugins)
    held_to = oversight(caller, cwd, plugins)
    prepared = replace(
        prepared,
        project=caller,
        loaded=prepared.loaded if not snippet.args else _as_the_call_says(prepared.loaded),
        limits=held_to.limits,
        recorded_in=caller if has_settings else prepared.project,
        others=partial(elsewhere, caller, plugins),
    )
    return PreparedCode(prepared, snippet.args, limits)


def languages(plugins: Plugins) -> tuple[str, ...]:
    """The names of languages whose code can be run without a file."""
    return tuple(name for each in plugins.frontends if isinstance(each, Snippets) for name in each.languages)


def _frontend_for(language: str, plugins: Plugins) -> Snippets:
    for frontend in plugins.frontends:
        if isinstance(frontend, Snippets) and language in frontend.languages:
            return frontend
    known = languages(plugins)
    raise UsageError(
        f"no frontend runs code in {show(language)} without a file",
        hint=f"languages: {', '.join(known)}" if known else install_line("capsule-python"),
    )


def _project_of(cwd: Path, source: Path, plugins: Plugins) -> tuple[Project, bool]:
    """The caller's project, with the code as if it lay in it, and whether it has settings of its own."""
    root, config_file = find_root(cwd, cwd)
    found = known_settings(plugins).of(root, config_file)
    return Project(root, source, found.config, found.workspace), config_file is not None


def _as_the_call_says(loaded: Loaded) -> Loaded:
    """The same, with the call named where a place in a program of ours would mean nothing to anybody."""
    tasks = {}
    for name, task in loaded.manifest.tasks.items():
        place = str(task.location)
        origins = {
            option: f"{option}=" if origin == place else origin
            for option, origin in task.declared.origins.items()
        }
        tasks[name] = replace(task, declared=replace(task.declared, origins=origins), location=_THE_CALL)
    return replace(loaded, manifest=replace(loaded.manifest, source="code", tasks=tasks))


def _is_unlimited(name: str, value: object) -> bool:
    return name in UNBOUNDED and isinstance(value, str) and value.lower() == UNLIMITED


def _kept(snippet: Snippet) -> Path:
    """The entry of the small project, in a folder of the user's cache that is named after its content."""
    digest = hashlib.sha256()
    for name, content in sorted(snippet.files.items()):
        _check_name(name)
        digest.update(f"{len(name.encode())} {name} {len(content)}\n".encode() + content)
    folder = private_folder("snippets")
    kept = folder / digest.hexdigest()[:32]
    if not kept.is_dir():
        _make_room(folder)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        for name, content in snippet.files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(content)
        try:
            made.rename(kept)
        except OSError:  # another process was first
            shutil.rmtree(made, ignore_errors=True)
    return kept / snippet.entry


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BuildError(f"the frontend's file {show(name)} would lie outside of its folder")


def _make_room(folder: Path) -> None:
    kept = sorted(os.scandir(folder), key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)
    for entry in kept[: max(0, len(kept) - MOST_KEPT + 1)]:
        shutil.rmtree(entry.path, ignore_errors=True)
