"""Masks values in events, before they are shown or recorded."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from capsule import events
from capsule.egress.secrets.masking import MaskedStream, Masker, plain_forms

SHORTEST_VARIABLE = 6
"""Characters of a variable's value from which on it is masked: shorter ones are in every other word."""

_TEXTS: dict[type[events.Event], tuple[str, ...]] = {
    events.RunStarted: ("arguments",),
    events.AttemptEnded: ("message", "traceback"),
    events.TaskEnded: ("message",),
    events.Refused: ("subject",),
    events.Requested: ("method", "url"),
}


def variables_masker(values: Mapping[str, str], secrets: Masker) -> Masker:
    """What the journal masks: the values of variables, and what ``secrets`` masks."""
    return Masker(
        (
            (plain_forms(value), f"[env {name[:60]}]")
            for name, value in values.items()
            if len(value) >= SHORTEST_VARIABLE
        ),
        secrets,
    )


class RedactedSink:
    """A sink in front of others: they get events without the values that the masker knows."""

    def __init__(self, masker: Masker, sinks: tuple[events.Sink, ...]) -> None:
        self._masker = masker
        self._sinks = sinks
        # What a listener does may lead to the next event, on the same thread.
        self._lock = threading.RLock()
        self._streams: dict[tuple[int, str], MaskedStream] = {}
        self._under_way: set[int] = set()

    def __call__(self, event: events.Event) -> None:
        """Takes an event. What a task wrote may be handed on later, up to the task's end."""
        with self._lock:
            if isinstance(event, events.Output):
                self._output(event)
                return
            if isinstance(event, events.TaskStarted):
                self._under_way.add(event.task)
            elif isinstance(event, events.TaskEnded):
                self._end(event)
            self._pass_on(self._masked(event))

    def _output(self, event: events.Output) -> None:
        if event.task in self._under_way:
            key = (event.task, event.stream)
            stream = self._streams.get(key)
            if stream is None:
                stream = self._streams[key] = MaskedStream(self._masker)
            text = stream.take(event.text)
        else:
            # The system hands over late what a sandbox wrote: nothing would end this stream.
            text = self._masker.text(event.text)
        if text:
            self._pass_on(replace(event, text=text))

    def _end(self, event: events.TaskEnded) -> None:
        self._under_way.discard(event.task)
        for name in ("stdout", "stderr"):
            stream = self._streams.pop((event.task, name), None)
            text = "" if stream is None else stream.end()
            if text:
                self._pass_on(events.Output(event.run, event.task, event.at, name, text))

    def _masked(self, event: events.Event) -> events.Event:
        changed: dict[str, Any] = {}
        for name in _TEXTS.get(type(event), ()):
            text = getattr(event, name)
            masked = None if text is None else self._masker.text(text)
            if masked != text:
                changed[name] = masked
        return replace(event, **changed) if changed else event

    def _pass_on(self, event: events.Event) -> None:
        for sink in self._sinks:
            sink(event)
