from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_cache.names import key_of, payload_name

KEY = "0123456789abcdef" * 2
HOSTILE = st.text() | st.sampled_from(["", ".", "..", "../../x", "/etc/x", "-rf", "a\0b", "ä", "x" * 9999])


@given(HOSTILE)
def test_no_name_leaves_the_folder_or_hides_or_drives_a_terminal(name: str) -> None:
    file = payload_name(name, KEY, ".wasm")
    assert file.isascii()
    assert file.isprintable()
    assert "/" not in file
    assert file[0] not in ".-"
    assert len(file) < 128


@given(HOSTILE)
def test_the_key_can_be_read_from_every_file_name(name: str) -> None:
    assert key_of(payload_name(name, KEY, ".cwasm")) == KEY


@given(st.text())
def test_any_other_file_name_is_not_an_entry(name: str) -> None:
    assert key_of(name) is None


@pytest.mark.parametrize(
    "file",
    [
        f"main_{KEY}",
        f"main_{KEY}.seal",
        f"main_{KEY}.lock",
        f"main_{KEY}.wasm.seal",
        f"main_{KEY}.WASM",
        f"_{KEY[1:]}.wasm",
        f".x_{KEY}.wasm",
        f"a b_{KEY}.wasm",
        "main_a1b2c3d4.wasm",
        f"{'x' * 65}_{KEY}.wasm",
    ],
)
def test_what_the_store_never_writes_is_not_taken_for_an_entry(file: str) -> None:
    assert key_of(file) is None


@pytest.mark.parametrize(
    "suffix", ["", ".", "wasm", ".seal", ".lock", ".tmp", "./x", ".a.b", ".wasm\n", "." + "a" * 16]
)
def test_a_malformed_suffix_is_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match="suffix"):
        payload_name("main", KEY, suffix)


def test_a_malformed_key_is_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        payload_name("main", "../../x", ".wasm")


def test_a_plain_name_is_kept() -> None:
    assert payload_name("my-task.v2", KEY, ".wasm") == f"my-task.v2_{KEY}.wasm"
