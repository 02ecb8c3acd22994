from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from capsule.journal.page.document import MOST_OUTPUT, page
from capsule.journal.records import (
    AttemptRecord,
    OutputRecord,
    RefusalRecord,
    RequestRecord,
    RunSummary,
    RunTree,
    TaskRecord,
)

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;\u202e\x1b[31m"


def a_run(task: TaskRecord, *more: TaskRecord) -> RunTree:
    run = RunSummary("abc", "main.py", "key", task.name, "{}", 1, 1000.0, "succeeded", 2.0, 1 + len(more), 0)
    return RunTree(run, (task, *more))


def a_task(text: str = "main", number: int = 1, parent: int | None = None, at: float = 1000.0) -> TaskRecord:
    return TaskRecord(
        task=number,
        parent=parent,
        name=text,
        policy=json.dumps({"ram": text}),
        started=at,
        state="failed",
        duration=1.0,
        retries=0,
        fuel=1000,
        error_type="task_error",
        message=text,
        attempt_count=1,
        refusal_count=1,
        request_count=1,
        output_count=len(text),
        attempts=(AttemptRecord(1, at, 1.0, 0.1, 1000, "task_error", text, text, at + 1.1),),
        refusals=(RefusalRecord(at, "allowed_hosts", text),),
        requests=(RequestRecord(at, "GET", text, None, text, 0.1, 0, 0),),
        output=(OutputRecord(at, "stdout", text, after_gap=False),),
        ended=at + 1.1,
    )


def data(html: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="trace">(.*?)</script>', html, re.DOTALL)
    assert len(found) == 1
    value: dict[str, Any] = json.loads(found[0])
    return value


@given(st.text())
def test_no_text_of_a_guest_leaves_the_element_that_holds_the_data(text: str) -> None:
    html = page(a_run(a_task(text)))
    assert html.count("<script") == html.count("</script>") == page(a_run(a_task("x"))).count("<script")
    assert [task["task"] for task in data(html)["tasks"]] == [1]


def test_markup_of_a_guest_stays_text_in_the_data_and_in_the_title() -> None:
    html = page(a_run(a_task(HOSTILE)))
    assert "<img" not in html
    assert "&lt;/script&gt;" in html.split("</title>")[0]
    (task,) = data(html)["tasks"]
    assert task["name"].startswith("</script><script>alert(1)</script><img")


def test_marks_that_turn_the_reading_direction_and_controls_are_written_out() -> None:
    (task,) = data(page(a_run(a_task(HOSTILE))))["tasks"]
    for shown in (task["name"], task["message"], task["output"][0]["text"], task["attempts"][0]["traceback"]):
        assert shown.endswith("\\u202e\\x1b[31m")


def test_only_the_pages_own_script_and_style_are_allowed_and_nothing_is_fetched() -> None:
    html = page(a_run(a_task()))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)
    assert style is not None
    assert script is not None
    digests = [
        "sha256-" + base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        for found in (script, style)
    ]
    assert policy[1] == (
        f"default-src 'none'; script-src '{digests[0]}'; style-src '{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.findall(r"(?:src|href)=|@import|url\(|innerHTML|insertAdjacent|document\.write", html)


def test_a_policy_is_shown_an_option_a_line_and_as_it_is_when_it_was_cut() -> None:
    task = replace(a_task(), policy='{"ram": 1, "env_variables": ["A"]}')
    assert data(page(a_run(task)))["tasks"][0]["policy"] == 'env_variables = ["A"]\nram = 1'
    cut = replace(task, policy='{"ram": 1, "al… [cut]')
    assert data(page(a_run(cut)))["tasks"][0]["policy"] == '{"ram": 1, "al… [cut]'


def test_a_page_holds_a_bounded_amount_of_output_and_says_where_the_rest_is() -> None:
    part = OutputRecord(1000.0, "stdout", "x" * (MOST_OUTPUT - 3), after_gap=False)
    long = replace(a_task(), output=(part, replace(part, text="123456"), replace(part, text="lost")))
    other = replace(a_task(number=2, parent=1), output=(part,))
    first, second = data(page(a_run(long, other)))["tasks"]
    assert [each["text"][:30] for each in first["output"][1:]] == ["123\n… [more: capsule trace --o"]
    assert [each["text"] for each in second["output"]] == ["\n… [more: capsule trace --output]"]
