"""What a session is made of, without a word about event loops: `Session` and `SyncSession` are its doors."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from capsule.errors import CapsuleError, UsageError
from capsule.policy.limits import Limits
from capsule.runtime.preopens import Preopen
from capsule.runtime.scheduler import MACHINE
from capsule.sdk.outcome import Envelope
from capsule.sessions.idle import alarm
from capsule.sessions.live import LiveWorker, Place
from capsule.sessions.turn import Turn
from capsule.sessions.workspace import Family, Workspace

if TYPE_CHECKING:
    from capsule.events import Event
    from capsule.launch.code import PreparedCode
    from capsule.runtime.execution import Execution
    from capsule.tools.toolbox import Toolbox

TASK: Final = "turn"

MOST_SESSIONS: Final = 200
"""Sessions of one process that are open at the same time."""

IDLE_SECONDS: Final = 3600.0
"""Seconds without a turn after which a session is closed, where nobody says."""

OnOutput = Callable[[str, str], None]
Ended = Callable[[Turn | None, BaseException | None], None]

_open: weakref.WeakSet[Core] = weakref.WeakSet()
_opening = threading.Lock()


class Core:
    """One session. Its turns run one at a time, in the order in which they were asked for."""

    def __init__(
        self,
        prepare: Callable[[], PreparedCode],
        cwd: Path,
        *,
        workspace: Path | None = None,
        mounts: Sequence[str] = (),
        limits: Limits | None = None,
        env_file: Path | None = None,
        idle_timeout: float | None = IDLE_SECONDS,
        on_output: OnOutput | None = None,
        checkpoints: bool = True,
        toolbox: Toolbox | None = None,
        forked_from: Core | None = None,
    ) -> None:
        with _opening:
            if len(_open) >= MOST_SESSIONS:
                raise CapsuleError(
                    f"{MOST_SESSIONS} sessions are open in this process, and more there can't be",
                    hint="close sessions that are done: async with, or close()",
                )
            _open.add(self)
        self._prepare = prepare
        self._prepared: PreparedCode | None = None
        self._cwd = cwd
        self._given_workspace = workspace
        self._mounts = tuple(mounts)
        self._limits = limits
        self._ceilings: Limits | None = None
        self._env_file = env_file
        self._idle_timeout = idle_timeout
        self._on_output = on_output
        self._checkpoints = checkpoints
        self._toolbox = toolbox
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: deque[tuple[str, Ended]] = deque()
        self._busy = False
        self._execution: Execution | None = None
        self._fuel = 0
        self._closed: str | None = None
        self.idle_until: float | None = None
        if workspace is not None:
            self._family: Family | None = None
            self._place: Place | None = None
            self.workspace = Workspace(workspace, private=False)
        else:
            self._family = Family() if forked_from is None else forked_from._family
            assert self._family is not None
            name = self._family.join()
            self._place = Place(str(self._family.folder), name)
            self.workspace = Workspace(self._family.folder / name, private=True)
        self._live = LiveWorker(self._place, checkpoints=checkpoints)
        self._rest()
        if idle_timeout is not None:
            alarm.watch(self)

    # Turns

    def run(self, code: str, ended: Ended) -> None:
        """Runs a turn on this thread, which must be a guest thread with a place of the machine's."""
        try:
            with self._turn:
                ended(self._run(code), None)
        except BaseException as error:  # it belongs to the caller, who waits on another thread
            ended(None, error)

    def submit(self, code: str, ended: Ended) -> None:
        """Runs a turn as soon as the machine has a place; calls ``ended`` once, on another thread."""
        if not isinstance(code, str):
            raise UsageError(f"a turn is text, not {type(code).__name__}")
        with self._lock:
            self._waiting.append((code, ended))
            if self._busy:
                return
            self._busy = True
        self._submit_next()

    def _submit_next(self) -> None:
        # One at a time: turns that wait for one another must not hold the machine's places.
        with self._lock:
            if not self._waiting:
                self._busy = False
                return
            code, ended = self._waiting.popleft()

        def work() -> None:
            self.run(code, ended)
            self._submit_next()

        MACHINE.submit(work, depth=0, name="capsule-session")

    def cancel(self) -> None:
        """Ends the turn that is under way; the session goes on where it was before it."""
        with self._lock:
            execution = self._execution
        if execution is not None:
            execution.run.cancel()

    def _run(self, code: str) -> Turn:
        self._check_open()
        self.idle_until = None
        try:
            self.workspace.begin(keep=self._checkpoints)
            said = _Said(self._on_output)
            envelope = self._outcome(code, said)
            turn = Turn.of(envelope, said.text)
            turn.files = self.workspace.changes()
            turn.went_back = self._live.went_back
            if turn.went_back:
                turn.files_went_back = self.workspace.go_back()
            self._fuel += int(envelope.execution.get("fuel_consumed", 0))
            return turn
        finally:
            self._rest()

    def _outcome(self, code: str, said: _Said) -> Envelope:
        from capsule.launch.start import start

        if self._prepared is None:
            self._prepared = self._prepare()
        ready = self._prepared
        limits = self._ceilings
        if limits is None:
            # The session's code starts no tasks: theirs would be other sandboxes, with this one's folders.
            limits = ready.limits.merge(Limits.parse({"depth": 0}, "a session's"))
            if self._limits is not None:
                limits = limits.merge(self._limits)
            self._ceilings = limits
        if limits.total_compute is not None:
            left = max(1, limits.total_compute - self._fuel)  # with 1, the turn says that there is no more
            limits = limits.merge(Limits.parse({"total_compute": left}, "what is left of"))
        if self._place is not None:
            folder = Preopen(Path(self._place.family), "/", writable=True)
        else:
            folder = Preopen(self.workspace.folder, "/", writable=True)
        execution = start(
            ready.prepared,
            TASK,
            [code],
            {},
            cwd=self._cwd,
            mounts=self._mounts,
            limits=limits,
            env_file=self._env_file,
            sinks=(said,),
            tools=self._toolbox,
            folders=(folder,),
            makes=self._live.attempt,
            begun=self._begun,
            here=True,
            on_problem=_ignore,
        )
        execution.done.wait()
        with self._lock:
            self._execution = None
        assert execution.envelope is not None
        return execution.envelope

    def _begun(self, execution: Execution) -> None:
        with self._lock:
            self._execution = execution

    # Copies

    def fork(self) -> Core:
        """Another session with the same state and a copy of the files, from here on on its own."""
        with self._turn:
            self._check_open()
            made = Core(
                self._prepare,
                self._cwd,
                workspace=self._given_workspace,
                mounts=self._mounts,
                limits=self._limits,
                env_file=self._env_file,
                idle_timeout=self._idle_timeout,
                on_output=self._on_output,
                checkpoints=self._checkpoints,
                toolbox=self._toolbox,
                forked_from=self,
            )
            try:
                made._prepared, made._fuel = self._prepared, self._fuel
                if self._place is not None:
                    self.workspace.copy_to(made.workspace)
                made._live = self._live.fork(made._place)
            except BaseException:
                made.close()
                raise
            return made

    def become(self, other: Core) -> None:
        """Goes on with the state and the files of ``other``, which stays as it is."""
        with self._turn:
            self._check_open()
            copy = other.fork()
            with copy._turn:
                for mine in ("_live", "_place", "workspace", "_family"):
                    ours, theirs = getattr(self, mine), getattr(copy, mine)
                    setattr(self, mine, theirs)
                    setattr(copy, mine, ours)
            copy.close()

    # Life

    def memory(self) -> int:
        """Bytes of memory that the session's worker does not share with other processes."""
        return self._live.memory()

    def close(self, why: str = "it was closed") -> None:
        """Ends the session. What is under way is cancelled; the private workspace is removed."""
        with self._lock:
            if self._closed is not None:
                return
            self._closed = why
        _open.discard(self)
        alarm.forget(self)
        self.cancel()
        with self._turn:
            self._live.close()
            self.workspace.close()
            if self._family is not None and self._place is not None:
                self._family.leave(self._place.name)

    @property
    def closed(self) -> str | None:
        """Why the session is over; None while it isn't."""
        return self._closed or self._live.lost

    def _check_open(self) -> None:
        if self.closed is not None:
            raise CapsuleError(f"the session is over: {self.closed}", hint="open another one")

    def _rest(self) -> None:
        if self._idle_timeout is not None:
            self.idle_until = time.monotonic() + self._idle_timeout
            alarm.moved(self.idle_until)

    def overslept(self) -> None:
        """Nothing ran in it for too long."""
        if self.idle_until is None:  # a turn has begun meanwhile
            alarm.watch(self)
            return
        self.close(f"nothing ran in it for {self._idle_timeout:g} s")


class _Said:
    """A sink: what the turn writes, in order, handed on as it comes."""

    def __init__(self, on_output: OnOutput | None) -> None:
        self._on_output = on_output
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)

    def __call__(self, event: Event) -> None:
        from capsule.events import Output

        if isinstance(event, Output):
            self._parts.append(event.text)
            if self._on_output is not None:
                try:
                    self._on_output(event.stream, event.text)
                except Exception as error:  # the caller's own function must not end the session
                    self._on_output = None
                    self._parts.append(f"\n[on_output raised {type(error).__name__}: {error}]\n")


def _ignore(message: str) -> None:
    """Nobody is there to read what a start would say."""


def prepared_session(
    language: str, packages: Sequence[str], options: Mapping[str, Any], cwd: Path
) -> Callable[[], PreparedCode]:
    """What makes the program of a session, when it is first needed."""

    def prepare() -> PreparedCode:
        from capsule.frontend.manager import plugins
        from capsule.launch.code import Code, prepare_code

        return prepare_code(Code("", language, tuple(packages), options), cwd, plugins(), progress=_ignore)

    return prepare
