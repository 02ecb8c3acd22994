"""What came of a turn: an outcome envelope, and what a notebook would show of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from capsule.sdk.outcome import Envelope
from capsule.sessions.workspace import Changes

MOST_SHOWN: Final = 100
LONGEST_TYPE: Final = 200


class Turn(Envelope):
    """The outcome of one turn of a session: an `Envelope`, and more.

    ``output`` is what it printed, both streams in order. ``type`` is the name of its value's type, and
    ``is_repr`` whether ``result`` is the value's ``repr``, because it can't be JSON. ``display`` are MIME
    bundles, ``{"text/plain": ..., "text/html": ..., "image/png": base64 text}``, in the order in which they
    were shown. ``files`` are the changes to the workspace. ``went_back`` is whether the session is where it
    was before the turn, and ``files_went_back`` whether its files are, too.
    """

    output: str = ""
    type: str | None = None
    is_repr: bool = False
    display: Sequence[Mapping[str, Any]] = ()
    files: Changes = Changes()
    went_back: bool = False
    files_went_back: bool = False

    @classmethod
    def of(cls, envelope: Envelope, output: str) -> Turn:
        """Reads what the session's program has answered: the guest can have written anything there."""
        turn = cls(envelope)
        turn.output = output
        answer = envelope.result
        if envelope.success and isinstance(answer, dict):
            turn["result"] = answer.get("result")
            kind = answer.get("type")
            turn.type = kind[:LONGEST_TYPE] if isinstance(kind, str) else None
            turn.is_repr = answer.get("is_repr") is True
            shown = answer.get("display")
            if isinstance(shown, list):
                turn.display = tuple(each for each in shown[:MOST_SHOWN] if isinstance(each, dict))
        return turn
