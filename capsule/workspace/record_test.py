"""Records survive being written down, tell what changed, and are no use when they are not whole."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from capsule_cache import Key
from hypothesis import given
from hypothesis import strategies as st

from capsule.frontend.tracking import Lookups, folder_time, place_state
from capsule.workspace.record import (
    NotedFile,
    Record,
    content_digest,
    decode,
    differences,
    encode,
    holds,
)

RECORD = Record(
    source="main.py",
    settled=True,
    key=Key("0" * 32),
    config="c",
    frontend="python",
    version="1",
    toolchain={"engine": "a" * 40},
    digests={"packages": "p"},
    files={"main.py": NotedFile("d", (1, 2, 3, 4)), "racy.py": NotedFile("e", None)},
    lookups=Lookups({"/x": "absent", "/y": "folder", "/z": (1, 2, 3, 4)}, {"/f": 5}),
    because=("never built here",),
)


def test_a_record_reads_as_it_was_written():
    assert decode(encode(RECORD)) == RECORD
    blind = replace(RECORD, lookups=None)
    assert decode(encode(blind)) == blind


@given(st.binary(max_size=60))
def test_bytes_that_are_no_record_are_none(data):
    assert decode(data) is None


@pytest.mark.parametrize("key", sorted(json.loads(encode(RECORD))))
@pytest.mark.parametrize("wrong", [None, 3, [1], "x"])
def test_a_record_with_a_wrong_part_never_raises(key, wrong):
    value = json.loads(encode(RECORD)) | {key: wrong}
    decode(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"files": {"main.py": NotedFile("d", None)}}, ("removed racy.py",)),
        ({"files": {**RECORD.files, "new.py": NotedFile("n", None)}}, ("added new.py",)),
        ({"files": {**RECORD.files, "main.py": NotedFile("other", None)}}, ("changed main.py",)),
        ({"config": "other"}, ("changed capsule.toml",)),
        ({"version": "2"}, ("python 1 became python 2",)),
        ({"toolchain": {"engine": "b"}}, ("the tool engine: aaaaaaaaaaaaaaaaaaaa became b",)),
        ({"digests": {"packages": "q"}}, ("changed packages or settings of the frontend (packages)",)),
        ({"lookups": None, "because": ()}, ()),
    ],
)
def test_what_changed_is_said_in_words(changed, words):
    assert differences(RECORD, replace(RECORD, **changed)) == words


@pytest.fixture
def noted(tmp_path):
    """A record of a file, a place where nothing is, and a folder."""
    path = tmp_path / "main.py"
    path.write_text("X = 1\n")
    state = place_state(str(path))
    return replace(
        RECORD,
        files={"main.py": NotedFile(content_digest(b"X = 1\n"), state)},
        lookups=Lookups(
            {str(tmp_path / "nothing.py"): "absent", str(tmp_path): "folder"},
            {str(tmp_path / "sub"): folder_time(str(tmp_path / "sub"))},
        ),
    )


def test_a_record_holds_until_something_is_different(noted, tmp_path):
    assert holds(noted, tmp_path)
    (tmp_path / "main.py").write_text("X = 1\n")
    assert holds(noted, tmp_path)
    (tmp_path / "main.py").write_text("X = 2\n")
    assert not holds(noted, tmp_path)
    (tmp_path / "main.py").unlink()
    assert not holds(noted, tmp_path)


@pytest.mark.parametrize("made", ["nothing.py", "sub/"])
def test_a_record_ends_to_hold_when_something_comes_into_being(noted, tmp_path, made):
    if made.endswith("/"):
        (tmp_path / made).mkdir()
    else:
        (tmp_path / made).touch()
    assert not holds(noted, tmp_path)


def test_a_file_that_was_noted_in_the_instant_it_was_written_is_compared_by_content(noted, tmp_path):
    racy = replace(noted, files={"main.py": NotedFile(content_digest(b"X = 1\n"), None)})
    assert holds(racy, tmp_path)
    assert not holds(replace(noted, files={"main.py": NotedFile("other", None)}), tmp_path)


def test_without_knowing_where_a_frontend_looked_nothing_holds(noted, tmp_path):
    assert not holds(replace(noted, lookups=None), tmp_path)
