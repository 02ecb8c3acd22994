"""Source maps made quick to look things up in: the frame table that the engine's README describes."""

from __future__ import annotations

import json

from capsule_js.edits import Shifts, moved

_DIGITS = {
    letter: value
    for value, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


_UNMOVED: Shifts = {}


def frame_table(source_map: bytes, shifts: Shifts = _UNMOVED) -> str:
    """The frame table of a source map of version 3 without sections, for a text that moved by ``shifts``.

    Raises `ValueError` for any other source map.
    """
    content = json.loads(source_map)
    if not isinstance(content, dict) or content.get("version") != 3:
        raise ValueError("not a source map of version 3")
    sources, mappings = content.get("sources"), content.get("mappings")
    if not isinstance(sources, list) or not isinstance(mappings, str):
        raise ValueError("not a source map of version 3")
    # Few different segments make up most of a map, and few numbers most of a table.
    decoded, written = _Segments(), _Numbers()
    source = line = column = 0
    table = [json.dumps(sources, ensure_ascii=False, separators=(",", ":"))]
    for number, row in enumerate(mappings.split(";")):
        generated = 0
        on_line = shifts.get(number)
        cells = []
        for segment in row.split(",") if row else ():
            numbers = decoded[segment]
            if not numbers:
                continue
            generated += numbers[0]
            if len(numbers) < 4:
                continue
            source += numbers[1]
            line += numbers[2]
            column += numbers[3]
            place = generated if on_line is None else moved(generated, on_line)
            cells.append(f"{written[place]},{written[source]},{written[line]},{written[column]}")
        table.append(";".join(cells))
    return "\n".join(table)


class _Segments(dict[str, tuple[int, ...]]):
    def __missing__(self, segment: str) -> tuple[int, ...]:
        numbers = self[segment] = _decode(segment)
        return numbers


class _Numbers(dict[int, str]):
    def __missing__(self, number: int) -> str:
        text = self[number] = _base36(number)
        return text


def _base36(number: int) -> str:
    if number < 0:
        raise ValueError("a place before the beginning of a file")
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
        if not number:
            return digits


def _decode(segment: str) -> tuple[int, ...]:
    """The numbers of a segment, in base64 VLQ."""
    numbers = []
    value = shift = 0
    for letter in segment:
        digit = _DIGITS.get(letter)
        if digit is None:
            raise ValueError(f"not a digit of a source map: {letter!r}")
        value += (digit & 31) << shift
        if digit & 32:
            shift += 5
        else:
            numbers.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return tuple(numbers)
