"""Finds values in text and bytes, in the forms that programs write them in, and puts masks in their place.

Everything here takes time in proportion to the text, whatever the text and the values are: values have up
to 64 KiB, texts come from guests, and what is compared is found by Python's own substring search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

_HEAD = 16
_TRIES = 32


def plain_forms(value: str) -> set[str]:
    """A value as it is, and as JSON and URLs write it."""
    import json
    from urllib.parse import quote, quote_plus

    forms = {value, quote(value, safe=""), quote(value), quote_plus(value), quote(value, safe=_PATH)}
    for escaped in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        # Some libraries escape slashes, too, and some what HTML would read.
        forms |= {escaped, escaped.replace("/", "\\/"), escaped.translate(_NO_HTML)}
    return forms


def all_forms(value: str) -> set[str]:
    """`plain_forms`, and how HTML, hexadecimal and base64 write a value, also with something around it.

    In base64 the characters at both ends may hold bits of what is around: those are left out.
    """
    import base64
    import html
    from urllib.parse import quote

    data = value.encode()
    forms = plain_forms(value) | {html.escape(value), html.escape(value, quote=False)}
    forms |= {data.hex(), data.hex().upper(), _lower_escapes(quote(value, safe=""))}
    if not value.isascii():
        forms.add(data.decode("latin-1"))  # UTF-8 in a header, as HTTP libraries read it
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        certain = encoded[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        forms |= {certain, certain.translate(_URL_SAFE)}
    return forms


_PATH = "/?:@!$&'()*+,;=-._~%[]"
_NO_HTML = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}
_URL_SAFE = str.maketrans("+/", "-_")


def _lower_escapes(text: str) -> str:
    pieces = text.split("%")
    return "%".join([pieces[0], *(piece[:2].lower() + piece[2:] for piece in pieces[1:])])


class Masker:
    """Replaces forms by masks: ``values`` are a value's forms and its mask, each.

    What ``first`` replaces is replaced as it says.
    """

    def __init__(self, values: Iterable[tuple[Iterable[str], str]], first: Masker | None = None) -> None:
        masks: dict[str, str] = {} if first is None else dict(first._masks)
        for forms, mask in values:
            for form in forms:
                masks.setdefault(form, mask)
        # The longest first: one value may be a part of another.
        self._masks: Sequence[tuple[str, str]] = sorted(masks.items(), key=lambda item: -len(item[0]))
        self._shortest = min(map(len, masks), default=0)
        self._beginnings = frozenset(
            form[:length] for form in masks for length in range(1, min(_HEAD, len(form)))
        )

    def __bool__(self) -> bool:
        return bool(self._masks)

    def text(self, text: str) -> str:
        """The text with every form replaced."""
        if len(text) < self._shortest:
            return text
        for form, mask in self._masks:
            if form in text:
                text = text.replace(form, mask)
        return text

    def data(self, data: bytes, most: int) -> bytes | None:
        """The bytes with every form replaced; None when that takes more than ``most`` bytes."""
        for form, mask in self._masks:
            old, new = form.encode(), mask.encode()
            count = data.count(old)
            if count and len(data) + count * (len(new) - len(old)) > most:
                return None
            data = data.replace(old, new) if count else data
        return data

    def boundary(self, text: str) -> int:
        """How much of a text that goes on may be masked now: what comes after may be a form's beginning."""
        end = len(text)
        for form, _ in self._masks:
            end = min(end, self._partial(text, form))
        for length in range(min(_HEAD - 1, len(text)), 0, -1):
            if text[-length:] in self._beginnings:
                end = min(end, len(text) - length)
                break
        return self._whole(text, end) if end < len(text) else end

    def _partial(self, text: str, form: str) -> int:
        """Where a long form may begin at the end of the text; the text's length if nowhere."""
        if len(form) <= _HEAD:
            return len(text)
        head, start = form[:_HEAD], max(0, len(text) - len(form) + 1)
        for _ in range(_TRIES):
            start = text.find(head, start)
            if start < 0:
                return len(text)
            if form.startswith(text[start:]):
                return start
            start += 1
        # So often that looking further would take long: then it waits for what comes.
        return start

    def _whole(self, text: str, end: int) -> int:
        """``end``, or before it if it would cut a form in two."""
        moved = True
        while moved:
            moved = False
            for form, _ in self._masks:
                found = text.find(form, max(0, end - len(form) + 1), end + len(form) - 1)
                if 0 <= found < end:
                    end, moved = found, True
        return end


NOTHING = Masker(())
"""Masks nothing."""


class MaskedStream:
    """Masks a text that comes in pieces, also where a form lies across them."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._kept = ""
        self._fresh: list[str] = []
        self._fresh_size = 0

    def take(self, piece: str) -> str:
        """What can be shown now, of this piece and those before it."""
        self._fresh.append(piece)
        self._fresh_size += len(piece)
        # What is kept is looked at again only when enough has come, so that many small pieces cost little.
        if 2 * self._fresh_size < len(self._kept):
            return ""
        return self._show(self._masker.boundary)

    def end(self) -> str:
        """The rest."""
        return self._show(len)

    def _show(self, boundary: Callable[[str], int]) -> str:
        text = self._kept + "".join(self._fresh)
        self._fresh.clear()
        self._fresh_size = 0
        end = boundary(text)
        self._kept = text[end:]
        return self._masker.text(text[:end])
