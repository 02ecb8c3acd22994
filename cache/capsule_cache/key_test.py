from __future__ import annotations

import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_cache.key import Key, derive_digest, derive_key, is_key

TEXT = st.text(max_size=4)
OPTION = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
INPUTS = st.fixed_dictionaries(
    {
        "format_version": st.integers(0, 3),
        "toolchain": st.dictionaries(TEXT, TEXT, max_size=3),
        "files": st.dictionaries(TEXT, st.binary(max_size=4), max_size=3),
        "digests": st.dictionaries(TEXT, TEXT, max_size=3),
        "options": st.dictionaries(TEXT, OPTION, max_size=3),
    }
)


def exact(value: Any) -> Any:
    """A form in which True and 1, 0.0 and -0.0 differ, and the order of a mapping is gone."""
    if isinstance(value, dict):
        return ("mapping", frozenset((name, exact(item)) for name, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(exact(item) for item in value))
    return (type(value).__name__, repr(value))


@given(INPUTS, INPUTS)
def test_keys_are_equal_exactly_when_the_inputs_are(one: Any, other: Any) -> None:
    assert (derive_key(**one) == derive_key(**other)) == (exact(one) == exact(other))


@given(st.lists(st.binary(max_size=3), min_size=2, max_size=4), st.data())
def test_moving_bytes_between_neighbouring_files_changes_the_key(
    contents: list[bytes], data: st.DataObject
) -> None:
    joined = b"".join(contents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(joined)), min_size=1, max_size=3)))
    other = [joined[start:end] for start, end in zip([0, *cuts], [*cuts, len(joined)], strict=True)]

    def key(parts: list[bytes]) -> Key:
        return derive_key(format_version=1, files={str(number): part for number, part in enumerate(parts)})

    assert (key(contents) == key(other)) == (contents == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"files": {"a": b"bc"}}, {"files": {"ab": b"c"}}),
        ({"files": {"a": b"b", "c": b"d"}}, {"files": {"a": b"bc", "d": b""}}),
        ({"toolchain": {"x": "1"}}, {"digests": {"x": "1"}}),
        ({"options": {"x": None}}, {"options": {}}),
        ({"options": {"x": True}}, {"options": {"x": 1}}),
        ({"options": {"x": 1}}, {"options": {"x": 1.0}}),
        ({"options": {"x": "1"}}, {"options": {"x": b"1"}}),
        ({"options": {"x": []}}, {"options": {"x": {}}}),
        ({"options": {"x": [["a"], "b"]}}, {"options": {"x": [["a", "b"]]}}),
        ({"options": {"x": ["ab"]}}, {"options": {"x": ["a", "b"]}}),
    ],
)
def test_lookalikes_have_different_keys(one: Any, other: Any) -> None:
    assert derive_key(format_version=1, **one) != derive_key(format_version=1, **other)


def test_the_order_of_mappings_does_not_matter() -> None:
    names = list(string.ascii_letters)
    shuffled = random.Random(7).sample(names, len(names))
    keys = {derive_key(format_version=1, files={n: n.encode() for n in order}) for order in (names, shuffled)}
    assert len(keys) == 1


def test_a_key_is_32_hex_digits_and_stays_what_it_was() -> None:
    key = derive_key(
        format_version=1,
        toolchain={"capsule-python": "0.9.0"},
        files={"main.py": b"print(1)"},
        digests={"packages": "00"},
        options={"snapshot": False},
    )
    # Changing how inputs are encoded silently orphans every stored artifact.
    assert key == "f076e88a9f268bd8237aae31573fa295"
    assert is_key(key)


def test_lone_surrogates_can_be_hashed() -> None:
    assert derive_key(format_version=1, files={"\udc80": b""}) != derive_key(
        format_version=1, files={"?": b""}
    )


def test_what_cannot_be_hashed_is_an_error_naming_its_type() -> None:
    with pytest.raises(TypeError, match="set"):
        derive_key(format_version=1, options={"x": {1}})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "text", ["", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "../" + "a" * 29, "a" * 31 + "\n"]
)
def test_other_text_is_no_key(text: str) -> None:
    assert not is_key(text)


def test_a_digest_tells_apart_what_a_key_tells_apart() -> None:
    variants = [
        {"format_version": 1},
        {"format_version": 2},
        {"format_version": 1, "toolchain": {"a": "1"}},
        {"format_version": 1, "files": {"a": b"1"}},
        {"format_version": 1, "digests": {"a": "1"}},
        {"format_version": 1, "options": {"a": "1"}},
        {"format_version": 1, "options": {"a": True}},
        {"format_version": 1, "options": {"a": 1}},
        {"format_version": 1, "options": {"a": None}},
    ]
    digests = {derive_digest(**variant) for variant in variants}  # type: ignore[arg-type]
    assert len(digests) == len(variants)
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in digests)
    one, other = {"a": b"1", "b": b"2"}, {"b": b"2", "a": b"1"}
    assert derive_digest(format_version=1, files=one) == derive_digest(format_version=1, files=other)
