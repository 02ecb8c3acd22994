"""Starting a run of what was prepared, with its folders, its environment, its record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.launch.journals import journal
from capsule.launch.prepare import Prepared
from capsule.project.environment import environment
from capsule.telemetry.switch import is_on as telemetry
from capsule.workers.attempts import attempts
from capsule.workers.isolation import Isolation

if TYPE_CHECKING:
    from capsule.events import Event, Sink
    from capsule.policy.limits import Limits
    from capsule.runtime.attempt import MakeAttempt
    from capsule.runtime.execution import Execution
    from capsule.runtime.host_tools import Tools
    from capsule.runtime.preopens import Preopen

_told: set[Path] = set()
_said: set[tuple[Path, str]] = set()

MOST_SAID = 1000
"""Sentences that are remembered, so that each is said once."""


def start(
    prepared: Prepared,
    task: str,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    *,
    cwd: Path,
    mounts: Iterable[str] = (),
    mount_label: str = "mounts:",
    limits: Limits | None = None,
    env_file: Path | None = None,
    sinks: Iterable[Sink] = (),
    ahead: bool = False,
    isolation: Isolation = "process",
    tools: Tools | None = None,
    folders: Iterable[Preopen] = (),
    makes: MakeAttempt | None = None,
    begun: Callable[[Execution], None] | None = None,
    here: bool = False,
    on_problem: Callable[[str], None],
) -> Execution:
    """Starts a task of a prepared file. With ``ahead``, sandboxes are kept ready for the next run of it.
    ``isolation`` says where its sandboxes are, ``mount_label`` what errors call a mount. ``tools`` are what
    tasks may call that declare it.

    ``folders`` are further ones for every task, ``makes`` makes the attempts, in the place of ``isolation``.
    ``begun`` and ``here`` are those of `capsule.runtime.run.Run.start`.
    Raises `CapsuleError` when it can't be started at all.
    """
    from capsule.runtime.preopens import mount_preopens, parse_mount
    from capsule.runtime.protected import Protected
    from capsule.runtime.run import Run
    from capsule.runtime.settings import RunSettings

    project = prepared.project
    ceilings = prepared.limits if limits is None else prepared.limits.merge(limits)
    mounts = tuple(mounts)
    if prepared.loaded.manifest.contract.foreign:
        _tell_of_grants(project.source, ceilings, mounts, on_problem)
    protected = Protected.of(
        project.root,
        prepared.inputs,
        allowed=ceilings.allow_project_writes,
        looked_up=prepared.looked_up,
        others=prepared.others,
    )
    record = journal(prepared.recorded_in or project, on_problem).record
    told: dict[str, Any] = {"journal": record}
    if telemetry():
        from capsule.telemetry.telling import Telling

        telling = Telling()
        told = {"journal": _both(record, telling), "dress": telling.dress}
    settings = RunSettings(
        root=project.root,
        limits=ceilings,
        protected=protected,
        environment=environment(project.root, env_file).select,
        mounts=(
            *mount_preopens([parse_mount(text, cwd, mount_label) for text in mounts], protected),
            *folders,
        ),
        sinks=tuple(sinks),
        secrets=project.config.secrets,
        tools=tools,
        ahead=ahead,
        attempts=makes or attempts(isolation),
        tell=partial(_tell_once, project.root, on_problem),
        **told,
    )
    return Run(prepared.loaded, settings).start(task, list(args), kwargs, begun=begun, here=here)


def _both(first: Sink, second: Sink) -> Sink:
    def sink(event: Event) -> None:
        first(event)
        second(event)

    return sink


def _tell_once(root: Path, tell: Callable[[str], None], sentence: str) -> None:
    """Says a sentence, unless this process has said it of this project before."""
    said = root, sentence
    if said not in _said and len(_said) < MOST_SAID:
        _said.add(said)
        tell(sentence)


def _tell_of_grants(
    source: Path, limits: Limits, mounts: tuple[str, ...], tell: Callable[[str], None]
) -> None:
    """Says once for each file what to type, when a component of others is given nothing."""
    from capsule.artifact.foreign_policy import what_to_type

    typed = what_to_type(limits, mounted=bool(mounts))
    if typed is not None and source not in _told:
        _told.add(source)
        what = "was not made by capsule, so it gets no folders, hosts or variables"
        tell(f"{source.name} {what}; to give it some: {typed}")
