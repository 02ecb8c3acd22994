"""``[secrets]``: what an entry may say, and what is said of one that can't be used."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import Location, PolicyError
from capsule.policy.problems_test import anything
from capsule.policy.secrets import KEYS, Secret, parse_table

HERE = Location("capsule.toml", 2)


def test_an_entry_says_where_the_value_comes_from_and_where_it_may_go() -> None:
    entry = {"env": "OTHER", "hosts": ["API.example.com", "*.b.example:8443"], "in": ["body", "headers"]}
    assert parse_table({"KEY": {**entry, "allow_http": True}}, lambda name: HERE) == {
        "KEY": Secret(
            "KEY", "OTHER", ("api.example.com", "*.b.example:8443"), ("headers", "body"), True, HERE
        )
    }


def test_without_more_the_variable_has_the_secret_s_name_and_goes_into_headers_over_https() -> None:
    assert parse_table({"KEY": {"hosts": ["a.example"]}})["KEY"] == Secret("KEY", "KEY", ("a.example",))


@pytest.mark.parametrize(
    ("name", "entry", "words"),
    [
        ("KEY", "x", ["KEY", "not a table"]),
        ("KEY", {}, ["names no hosts"]),
        ("KEY", {"hosts": ["*"]}, ["hosts", "that you name"]),
        ("KEY", {"hosts": ["*:443"]}, ["hosts"]),
        ("KEY", {"hosts": []}, ["hosts"]),
        ("KEY", {"hosts": ["https://a.example"]}, ["no scheme"]),
        ("KEY", {"hosts": ["a.example"], "in": ["url"]}, ["in", "headers"]),
        ("KEY", {"hosts": ["a.example"], "in": []}, ["in"]),
        ("KEY", {"hosts": ["a.example"], "enw": "KEY"}, ["enw", 'did you mean "env"']),
        ("KEY", {"hosts": ["a.example"], "env": "A B"}, ["env", "A B"]),
        ("KEY", {"hosts": ["a.example"], "allow_http": "yes"}, ["allow_http", "true"]),
        ("A B", {"hosts": ["a.example"]}, ["A B"]),
    ],
)
def test_a_bad_entry_is_an_error_that_says_what_to_write(name: str, entry: Any, words: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_table({name: entry}, lambda name: HERE)
    assert caught.value.location == HERE
    assert caught.value.hint
    for word in words:
        assert word in f"{caught.value.message}; {caught.value.hint}"


@settings(deadline=None, max_examples=20)
@given(
    st.dictionaries(
        st.sampled_from(["KEY"]) | st.text(max_size=5),
        anything | st.dictionaries(st.sampled_from([*KEYS, "x"]), anything, max_size=4),
        max_size=3,
    )
)
def test_any_table_gives_secrets_or_an_error(table: dict[str, Any]) -> None:
    try:
        secrets = parse_table(table)
    except PolicyError:
        return
    for name, secret in secrets.items():
        assert secret.name == name
        assert secret.hosts
        assert "*" not in secret.hosts
        assert secret.places
