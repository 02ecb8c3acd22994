from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from capsule.journal.page.document_test import a_run, a_task
from capsule.journal.perfetto import events
from capsule.journal.records import RunTree, TaskRecord


def slices(tree: RunTree) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(events(tree))["traceEvents"]
    return [event for event in found if event.get("cat") == "task"]


def lasting(number: int, parent: int | None, start: float, end: float) -> TaskRecord:
    return replace(a_task(f"t{number}", number, parent, start), ended=end, attempts=())


def test_tasks_attempts_requests_and_denials_are_there() -> None:
    found = json.loads(events(a_run(a_task())))["traceEvents"]
    assert [event["ph"] for event in found] == ["M", "M", "X", "X", "b", "e", "i"]
    task = found[2]
    assert (task["name"], task["ts"], task["dur"]) == ("main", 1_000_000_000, 1_100_000)
    assert task["args"]["error"] == "task_error: main"


def test_a_sub_task_lies_in_its_parents_slice_and_one_beside_it_has_a_track_of_its_own() -> None:
    tree = a_run(lasting(1, None, 0, 10), lasting(2, 1, 1, 5), lasting(3, 1, 2, 4), lasting(4, 1, 6, 9))
    assert [event["tid"] for event in slices(tree)] == [1, 1, 2, 1]


def test_a_task_without_an_end_lasts_until_the_last_that_is_known() -> None:
    tree = a_run(replace(lasting(1, None, 1000, 1), ended=None), lasting(2, 1, 1001, 1007))
    assert slices(tree)[0]["dur"] == 7_000_000


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12)
)
def test_slices_of_one_track_lie_in_each_other_or_apart(spans: list[tuple[int, int, int]]) -> None:
    tasks = [
        lasting(number, parent if 0 < parent < number else None, start, start + length)
        for number, (parent, start, length) in enumerate(spans, 1)
    ]
    found = slices(a_run(tasks[0], *tasks[1:]))
    for one in found:
        for other in found:
            if one is other or one["tid"] != other["tid"]:
                continue
            a, b = one["ts"], one["ts"] + one["dur"]
            c, d = other["ts"], other["ts"] + other["dur"]
            assert b <= c or d <= a or (a <= c and d <= b) or (c <= a and b <= d)
