"""What a run is given besides its artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from capsule import events
from capsule.policy.limits import Limits
from capsule.runtime.attempt import MakeAttempt, ThreadAttempt
from capsule.runtime.preopens import Preopen
from capsule.runtime.protected import Protected

if TYPE_CHECKING:
    from capsule.egress.fetch import Credentials
    from capsule.policy.secrets import Secret
    from capsule.runtime.host_tools import Tools

Dress = Callable[[int, "Credentials | None"], "Credentials | None"]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything about a run that isn't in the artifact.

    ``mounts`` are the operator's own folders, seen by every task of the run. ``environment`` gives the
    values of declared variables. ``protected`` is what no writable folder may cover. ``ahead`` is whether
    sandboxes may be prepared for the next run of the same file. ``attempts`` makes attempts,
    and with that decides where sandboxes are. ``journal`` gets the events without the values of
    declared variables, ``sinks`` get them as they are, both without secrets. ``secrets`` are the project's.
    ``tools`` are the caller's functions that tasks may call. ``tell`` takes sentences for whoever started
    the run. ``dress`` gives what fills the requests of a task (its number) besides its own credentials.
    """

    root: Path
    limits: Limits
    protected: Protected
    environment: Callable[[tuple[str, ...]], Mapping[str, str]]
    mounts: tuple[Preopen, ...] = ()
    sinks: tuple[events.Sink, ...] = ()
    journal: events.Sink | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    tools: Tools | None = None
    ahead: bool = False
    tell: Callable[[str], None] = lambda sentence: None
    attempts: MakeAttempt = ThreadAttempt
    dress: Dress = lambda task, own: own
