"""A word becomes what the parameter's annotation says, or the error names parameter, type and word."""

from __future__ import annotations

import math

import pytest

from capsule.artifact.manifest import Task
from capsule.cli.common.words import typed_words
from capsule.errors import Location, UsageError
from capsule.frontend.spec import Parameter
from capsule.policy.model import Policy, TaskPolicy


def task(*parameters: Parameter) -> Task:
    return Task("main", TaskPolicy(Policy()), Location("main.py", 3), parameters)


@pytest.mark.parametrize(
    ("word", "types", "value"),
    [
        ("41", ("integer",), 41),
        ("-41", ("integer",), -41),
        ("41", ("number",), 41.0),
        ("41", ("integer", "number"), 41),
        ("4.5", ("integer", "number"), 4.5),
        ("1e3", ("number",), 1000.0),
        ("-inf", ("number",), -math.inf),
        ("True", ("boolean",), True),
        ("false", ("boolean",), False),
        ("null", ("integer", "null"), None),
        ("None", ("integer", "null"), None),
        ("[1, [2]]", ("array",), [1, [2]]),
        ('{"a": 1}', ("array", "object"), {"a": 1}),
        ("41", (), "41"),
        ("41", ("integer", "string"), "41"),
        ("null", ("null", "string"), "null"),
    ],
)
def test_a_word_is_read_as_its_type(word, types, value):
    [found] = typed_words([word], task(Parameter("n", types)))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("word", "types", "wanted"),
    [
        ("4.5", ("integer",), "an integer"),
        ("", ("integer",), "an integer"),
        ("4_1", ("integer",), "an integer"),
        ("\u0664", ("integer",), "an integer"),
        (" 4", ("integer",), "an integer"),
        ("9" * 5000, ("integer",), "an integer"),
        ("1e999", ("number",), "a number"),
        ("x", ("integer", "number"), "a number"),
        ("yes", ("boolean",), "true or false"),
        ("1", ("boolean",), "true or false"),
        ("{}", ("array",), "a JSON list"),
        ("[" * 100_000, ("array",), "a JSON list"),
        ("[1]", ("object",), "a JSON object"),
        ("x", ("integer", "null"), "an integer or null"),
    ],
)
def test_a_word_of_another_type_names_the_parameter_its_type_and_the_word(word, types, wanted):
    with pytest.raises(UsageError) as caught:
        typed_words(["a", word], task(Parameter("first"), Parameter("n", types)))
    assert caught.value.message.startswith(f"the parameter 'n' of the task 'main' takes {wanted}, not '")
    assert caught.value.location == Location("main.py", 3)
    assert len(str(caught.value)) < 500


def test_the_rest_takes_every_further_word():
    parameters = task(Parameter("first"), Parameter("rest", ("integer",), rest=True))
    assert typed_words(["1", "2", "3"], parameters) == ["1", 2, 3]


def test_words_stay_text_where_nothing_is_known():
    assert typed_words(["1", "2"], None) == ["1", "2"]
    assert typed_words(["1", "2"], task(Parameter("n", ("integer",)))) == [1, "2"]
