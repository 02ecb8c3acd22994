from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.errors import BuildError, ConfigError, Location
from capsule.frontend.declared import MAX_TASKS, Unreadable, declared_tasks

UNREADABLE = Unreadable("the option 'ram' of task 'main'", "it is computed", Location("main.x", 3))


def declared(answer, unreadable=UNREADABLE):
    def ask():
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else json.dumps(answer)

    return declared_tasks(unreadable, ask, entry="main.x", files={"main.x", "a.x"}, hint="write literals")


def test_the_tasks_come_in_their_order_with_their_places():
    tasks = [
        {"name": "main", "options": {"ram": "1GB"}, "file": "a.x", "line": 7},
        {"name": "other", "options": {}, "more": 1},
    ]
    first, second = declared(tasks)
    assert (first.name, first.options, str(first.location)) == ("main", {"ram": "1GB"}, "a.x:7")
    assert (second.name, second.options, str(second.location)) == ("other", {}, "main.x")


@pytest.mark.parametrize("place", [{"file": "/etc/passwd", "line": 1}, {"file": ["a.x"]}, {"line": 4}])
def test_a_place_in_a_file_that_is_not_the_programs_is_the_source(place):
    [task] = declared([{"name": "main", "options": {}, **place}])
    assert str(task.location) == "main.x"


@pytest.mark.parametrize("line", [0, -1, True, 1.5, "1", 1 << 31, None])
def test_a_line_that_is_no_line_is_left_out(line):
    [task] = declared([{"name": "main", "options": {}, "file": "a.x", "line": line}])
    assert str(task.location) == "a.x"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no",
        "[" * 100_000,
        {},
        [1],
        [{"name": "main"}],
        [{"name": "", "options": {}}],
        [{"name": 1, "options": {}}],
        [{"name": "main", "options": []}],
        [{"name": "t", "options": {}}] * (MAX_TASKS + 1),
        " " * (17 << 20),
    ],
)
def test_an_unusable_answer_is_an_error_at_what_could_not_be_read(answer):
    with pytest.raises(BuildError, match="unusable answer") as caught:
        declared(answer)
    assert caught.value.location == Location("main.x", 3)
    assert "'ram' of task 'main'" in caught.value.message
    assert caught.value.hint == "write literals"


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_any_answer_gives_tasks_or_an_error_for_people(answer):
    try:
        tasks = declared([{"name": "main", "options": {}, "file": answer, "line": answer}, answer])
    except BuildError:
        return
    assert len(tasks) == 2


@pytest.mark.parametrize(
    "error", [BuildError("boom", traceback="here"), ConfigError("boom"), LookupError("boom")]
)
def test_a_sandbox_that_fails_is_an_error_with_the_reason(error):
    with pytest.raises(BuildError, match=r"^main\.x:3: .* it is computed; .* failed: boom") as caught:
        declared(error)
    assert caught.value.traceback == getattr(error, "traceback", None)


def test_an_error_that_has_a_place_of_its_own_stays():
    with pytest.raises(BuildError, match=r"^a\.x:9: bad$"):
        declared(BuildError("bad", location=Location("a.x", 9)))


def test_a_hint_of_what_could_not_be_read_comes_first():
    own = Unreadable("x", "y", Location("main.x"), "write ram as a literal")
    with pytest.raises(BuildError) as caught:
        declared("", own)
    assert caught.value.hint == "write ram as a literal"
