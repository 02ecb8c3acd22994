from __future__ import annotations

import json

import pytest

from capsule.cli.common.arguments import read_arguments
from capsule.errors import UsageError


def test_words_are_strings():
    assert read_arguments(("a", "1", "-x"), None, None) == (["a", "1", "-x"], {})
    assert read_arguments((), None, None) == ([], {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", ([], {})),
        ('[1, "a", null, [2]]', ([1, "a", None, [2]], {})),
        ('{"name": [1]}', ([], {"name": [1]})),
        ("[NaN]", None),
    ],
)
def test_json_is_typed(text, expected, tmp_path):
    found = read_arguments((), text, None)
    path = tmp_path / "args.json"
    path.write_text(text)
    assert json.dumps(read_arguments((), None, path)) == json.dumps(found)
    if expected is not None:
        assert found == expected


@pytest.mark.parametrize("text", ["", "{", "1", '"text"', "null", "[" * 200_000, "\ud800"])
def test_json_that_is_no_list_and_no_object_is_a_usage_error_with_an_example(text):
    with pytest.raises(UsageError, match="--args-json") as caught:
        read_arguments((), text, None)
    assert '{"name": "a"}' in str(caught.value.hint)


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path):
    (tmp_path / "latin").write_bytes(b'["\xe9"]')
    for name, words in (("missing", "can't be read"), (".", "can't be read"), ("latin", "not UTF-8")):
        with pytest.raises(UsageError, match=words) as caught:
            read_arguments((), None, tmp_path / name)
        assert caught.value.hint is not None or name == "latin"


def test_json_of_another_kind_is_named_in_the_words_of_json():
    with pytest.raises(UsageError, match="neither a JSON list nor a JSON object"):
        read_arguments((), "5", None)


def test_arguments_are_given_one_way(tmp_path):
    for given in ((("a",), "[]", None), ((), "[]", tmp_path), (("a",), None, tmp_path)):
        with pytest.raises(UsageError, match="one way"):
            read_arguments(*given)
