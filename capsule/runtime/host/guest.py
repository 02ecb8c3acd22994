"""What the host's functions know of the sandbox that calls them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from capsule.runtime.interrupt import Interrupt, Interrupted

if TYPE_CHECKING:
    from capsule.artifact.sections import ProgramTable
    from capsule.runtime.denials import PathUse

MOST_HELD = 256 << 20
"""Characters of outcomes and responses that one sandbox may leave untaken."""

SMALL = 64 << 10
"""Characters that are kept all the same, so that the news of what was not kept always arrives."""

MOST_HANDLES = 500_000
"""Handles that one sandbox may leave untaken before it is ended: some 200 MB of the host's."""

REQUESTS_AT_ONCE = 16
"""Started HTTP requests of one sandbox that are under way at the same time; others wait their turn."""

LONGEST_WAIT = 0.25
"""Seconds between two looks at the interrupt while a guest waits: how late a cancellation may strike."""


class TaskRefused(Exception):
    """A task that was not started. ``reason`` is a case of ``tasks.refusal`` in the contract."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class HandlesExhausted(Exception):
    """A sandbox has started more than it may, and taken nothing of it."""


class Ledger:
    """What one sandbox has started: handles, their kinds, and what came of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kinds: dict[int, str] = {}
        self._ended: dict[int, Any] = {}
        self._held = 0
        self._next = 1

    def open(self, kind: str) -> int:
        """A new handle for work that is about to start. Raises `HandlesExhausted`."""
        with self._changed:
            if len(self._kinds) >= MOST_HANDLES:
                raise HandlesExhausted(f"more than {MOST_HANDLES:,} tasks and requests that were not taken")
            handle = self._next
            self._next += 1
            self._kinds[handle] = kind
            return handle

    def end(self, handle: int, value: Any) -> bool:
        """The work has ended. Called on any thread.

        Returns False, and keeps nothing, when the values that were not taken would be more than `MOST_HELD`.
        """
        with self._changed:
            if handle in self._kinds:
                size = _size(value)
                if size > SMALL and self._held + size > MOST_HELD:
                    return False
                self._held += size
                self._ended[handle] = value
                self._changed.notify_all()
            return True

    def take(self, handle: int, kind: str, interrupt: Interrupt) -> Any:
        """Waits for the end of ``handle`` and takes it; raises `KeyError` when there is no such handle."""
        with self._changed:
            if self._kinds.get(handle) != kind:
                raise KeyError(handle)
            while handle not in self._ended:
                interrupt.check()
                self._changed.wait(interrupt.remaining(LONGEST_WAIT))
            del self._kinds[handle]
            value = self._ended.pop(handle)
            self._held -= _size(value)
            return value

    def wait_any(self, timeout: float | None, interrupt: Interrupt) -> list[int]:
        """The handles that have ended and were not taken; waits for one, at most ``timeout`` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._ended:
                interrupt.check()
                left = LONGEST_WAIT if end is None else end - time.monotonic()
                if left <= 0 or not self._kinds:
                    break
                self._changed.wait(interrupt.remaining(min(left, LONGEST_WAIT)))
            if self._ended or end is None or self._kinds:
                return sorted(self._ended)
        # Nothing is left to wait for: a time-out is a sleep all the same.
        interrupt.sleep(max(0.0, end - time.monotonic()))
        return []

    @property
    def count(self) -> int:
        """How many handles were opened and not taken."""
        with self._changed:
            return len(self._kinds)

    @property
    def outstanding(self) -> bool:
        """Whether anything is under way."""
        with self._changed:
            return len(self._kinds) > len(self._ended)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0


class RequestQueue:
    """The started requests of one sandbox: a few are under way, the others wait their turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Callable[[], None], int]] = deque()
        self._size = 0
        self._threads = 0
        self._cleared = False

    def add(self, request: Callable[[], None], size: int) -> bool:
        """Carries out ``request`` on a thread, as soon as there is a place. It must not raise.

        ``size`` is its length in characters. Returns False, and takes nothing, when those that wait would be
        more than `MOST_HELD`, or when the sandbox has ended.
        """
        with self._lock:
            if self._cleared or self._size + size > MOST_HELD:
                return False
            self._waiting.append((request, size))
            self._size += size
            if self._threads >= REQUESTS_AT_ONCE:
                return True
            self._threads += 1
        threading.Thread(target=self._work, name="capsule-http", daemon=True).start()
        return True

    def clear(self) -> None:
        """Forgets the requests that are not under way yet, and takes no more: the sandbox has ended."""
        with self._lock:
            self._cleared = True
            self._waiting.clear()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                request, size = self._waiting.popleft()
                self._size -= size
            request()
            del request  # its text must not outlive it


class Services(Protocol):
    """What a sandbox may ask of the run that it belongs to."""

    def start_task(self, name: str, arguments: str, ended: Callable[[str], bool]) -> None:
        """Starts a sub-task; ``ended`` gets its envelope as JSON, and says whether it is kept.

        Raises `TaskRefused`.
        """

    def request(self, text: str, interrupt: Interrupt) -> str:
        """Makes an HTTP request. Raises `capsule.egress.wire.RequestFailure`."""

    def denial(self, asked: PathUse) -> str | None:
        """Why the task may not use a path, in a sentence; None when its policy isn't the reason."""

    def waiting(self) -> None:
        """The sandbox begins to wait: another one may run in its place."""

    def resumed(self) -> None:
        """The sandbox goes on."""


@dataclass(slots=True)
class Guest:
    """One sandbox, as the host's functions see it. Lives as long as the sandbox."""

    interrupt: Interrupt
    services: Services
    program: ProgramTable | None = None
    loading: bool = True
    """Whether the program's top level is still running: it can't start tasks."""
    ahead: bool = False
    """Whether the sandbox is prepared for a run that may never come: nothing outside may notice it."""
    ledger: Ledger = field(default_factory=Ledger)
    requests: RequestQueue = field(default_factory=RequestQueue)
    codec_bytes: int = 0
    """Bytes that the interface ``codec`` has worked on for this sandbox."""
    fault: str | None = None
    """What broke in a host function, for the outcome's message: never the guest's doing."""


_threads = threading.local()


def enter(guest: Guest) -> None:
    """Says that this thread runs ``guest``: a sandbox runs on one thread, and a thread one sandbox."""
    _threads.guest = guest


def current() -> Guest:
    """The guest that this thread runs."""
    guest: Guest = _threads.guest
    return guest


def failure(reason: str, message: str) -> Any:
    """The contract's record for a refusal or an error: a reason, and a sentence for people."""
    from wasmtime.component import Record

    made: Any = Record()
    made.reason = reason
    made.message = message
    return made


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a host function out of a function of a guest and the arguments.

    No exception may leave a host function but wasmtime's own: the library carries others through a
    global that threads share. An interrupt, and a fault of ours, become traps.
    """

    def call(_store: object, *arguments: Any) -> Any:
        from wasmtime import WasmtimeError

        guest = current()
        try:
            guest.interrupt.check()
            return function(guest, *arguments)
        except Interrupted as interrupted:
            raise WasmtimeError(f"capsule interrupt: {interrupted.reason}") from None
        except HandlesExhausted as exhausted:
            raise WasmtimeError(f"capsule error: {exhausted}") from None
        except Exception as error:
            guest.fault = f"{type(error).__name__}: {error}"
            raise WasmtimeError("capsule host function failed") from None

    return call
