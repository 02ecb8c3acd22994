"""Deadlines and cancellation: why and when a sandbox has to end, and the clock that sees to it.

wasmtime asks a callback of ours whenever the engine's epoch passes a store's mark. One thread moves
the epoch along with the wall clock, while anything runs; it also looks after attempts that are past
their deadline and did not come back, because they block inside a WASI call where no epoch reaches.
"""

from __future__ import annotations

import ctypes
import threading
import time
from typing import TYPE_CHECKING, Protocol

from capsule.runtime.engine import engine

if TYPE_CHECKING:
    import wasmtime

TICK = 0.01
"""Seconds between two epochs: how late a deadline may strike code that computes."""

PATIENCE_TICKS = 25
"""Epochs until a guest without a near deadline is asked again: how long a cancellation may take."""

GRACE = 0.25
"""Seconds past its deadline after which an attempt that has not come back is given up."""

LONGEST_NAP = 3600.0
"""Seconds that one wait of ours takes at most: the system refuses the lengths that a guest can ask for."""

_CONTINUE = 0


class Interrupted(Exception):
    """The sandbox has to end; the reason is "timeout" or "cancelled"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Interrupt:
    """Says whether a sandbox has to end. ``deadline`` is `time.monotonic` seconds, None for no deadline."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Ends the sandbox, within `PATIENCE_TICKS` epochs."""
        self._cancelled.set()

    @property
    def reason(self) -> str | None:
        """Why the sandbox has to end: "cancelled", "timeout", or None when it may go on."""
        if self._cancelled.is_set():
            return "cancelled"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "timeout"
        return None

    def check(self) -> None:
        """Raises `Interrupted` when the sandbox has to end."""
        reason = self.reason
        if reason is not None:
            raise Interrupted(reason)

    def remaining(self, longest: float) -> float:
        """Seconds until the deadline, at most ``longest``, at least 0."""
        if self.deadline is None:
            return longest
        return max(0.0, min(longest, self.deadline - time.monotonic()))

    def sleep(self, seconds: float) -> None:
        """Sleeps; raises `Interrupted` as soon as the sandbox has to end."""
        end = time.monotonic() + seconds
        while True:
            self.check()
            left = end - time.monotonic()
            if left <= 0:
                return
            self._cancelled.wait(self.remaining(min(left, LONGEST_NAP)))


class Overdue(Protocol):
    """Something that the clock gives up when it is past its deadline by more than `GRACE`."""

    interrupt: Interrupt

    def give_up(self) -> None:
        """Called once, on a thread of its own."""


class EpochClock:
    """Moves the engine's epoch while sandboxes run, and gives up those that block past their deadline."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[int, Overdue] = {}
        self._running = False
        self._ending = False
        self._ticks = 0

    def watch(self, attempt: Overdue) -> None:
        """Starts looking after an attempt."""
        with self._lock:
            self._active[id(attempt)] = attempt
            if self._ending:
                attempt.interrupt.cancel()
            if not self._running:
                self._running = True
                threading.Thread(target=self._tick, name="capsule-clock", daemon=True).start()

    def forget(self, attempt: Overdue) -> None:
        """The attempt has come back."""
        with self._lock:
            self._active.pop(id(attempt), None)

    def begin_anew(self) -> None:
        """Forgets the thread and its locks: in a process that was forked while it may have held them."""
        self._lock = threading.Lock()
        self._active = {}
        self._running = False

    def cancel_all(self) -> None:
        """Ends everything that is being looked after, and from now on whatever begins."""
        with self._lock:
            self._ending = True
            attempts = list(self._active.values())
        for attempt in attempts:
            attempt.interrupt.cancel()

    @property
    def idle(self) -> bool:
        """Whether nothing is being looked after."""
        with self._lock:
            return not self._active

    def _tick(self) -> None:
        shared = engine()
        base = time.monotonic() - self._ticks * TICK
        idle_since: float | None = None
        while True:
            time.sleep(TICK)
            now = time.monotonic()
            # Epochs follow the wall clock: a clock thread that was held up catches up.
            while self._ticks < (now - base) / TICK:
                self._ticks += 1
                shared.increment_epoch()
            with self._lock:
                attempts = list(self._active.values())
                if attempts:
                    idle_since = None
                elif idle_since is None:
                    idle_since = now
                if not attempts and now - (idle_since or now) > 1.0:
                    self._running = False
                    return
            for attempt in attempts:
                deadline = attempt.interrupt.deadline
                if deadline is not None and now > deadline + GRACE:
                    self.forget(attempt)
                    threading.Thread(target=attempt.give_up, name="capsule-give-up", daemon=True).start()


clock = EpochClock()


def arm(store: wasmtime.Store, interrupt: Interrupt) -> int:
    """Makes a store ask ``interrupt`` at every mark of the epoch, and trap when it has to end.

    Returns a number for `hand_over`.
    """
    from wasmtime import _ffi as ffi

    token = _register(interrupt)
    ffi.wasmtime_store_epoch_deadline_callback(
        store.ptr(), _on_epoch(), ctypes.c_void_p(token), _on_release()
    )
    store.set_epoch_deadline(_ticks_to_wait(interrupt))
    return token


def hand_over(armed: int, interrupt: Interrupt) -> None:
    """Makes an armed store ask another interrupt from now on."""
    if armed in _armed:
        _armed[armed] = interrupt


def rearm(store: wasmtime.Store, interrupt: Interrupt) -> None:
    """Sets the next mark anew, after the deadline has changed."""
    store.set_epoch_deadline(_ticks_to_wait(interrupt))


def _ticks_to_wait(interrupt: Interrupt) -> int:
    if interrupt.deadline is None:
        return PATIENCE_TICKS
    return (
        min(PATIENCE_TICKS, int((interrupt.deadline - time.monotonic()) / TICK) + 1)
        if (interrupt.deadline > time.monotonic())
        else 1
    )


# wasmtime hands back a number, not an object: the armed interrupts by their numbers.
_armed: dict[int, Interrupt] = {}
_tokens = iter(range(1, 1 << 62))
_callbacks: list[object] = []


def _register(interrupt: Interrupt) -> int:
    token = next(_tokens)
    _armed[token] = interrupt
    return token


def _make_callbacks() -> None:
    from wasmtime import WasmtimeError
    from wasmtime import _bindings as ffi

    callback_type = ffi._wasmtime_store_epoch_deadline_callback.argtypes[1]
    finalizer_type = ffi._wasmtime_store_epoch_deadline_callback.argtypes[3]

    def on_epoch(_context: object, token: int | None, delta: object, kind: object) -> int | None:
        interrupt = _armed.get(token or 0)
        reason = "cancelled" if interrupt is None else interrupt.reason
        if reason is not None:
            error = WasmtimeError(f"capsule interrupt: {reason}")
            return ctypes.cast(error._consume(), ctypes.c_void_p).value
        assert interrupt is not None
        delta[0] = _ticks_to_wait(interrupt)  # type: ignore[index]
        kind[0] = _CONTINUE  # type: ignore[index]
        return 0

    def on_release(token: int | None) -> None:
        _armed.pop(token or 0, None)

    _callbacks.extend((callback_type(on_epoch), finalizer_type(on_release)))


def _on_epoch() -> object:
    if not _callbacks:
        _make_callbacks()
    return _callbacks[0]


def _on_release() -> object:
    return _callbacks[1]
