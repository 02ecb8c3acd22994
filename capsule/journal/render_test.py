from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.journal import render
from capsule.journal.records import (
    AttemptRecord,
    OutputRecord,
    RefusalRecord,
    RequestRecord,
    RunSummary,
    RunTree,
    TaskRecord,
)

RUN = RunSummary(
    "3f2a91c0d4e5b6a7", "main.py", "ab12", "main", '{"args": []}', 42, 1_700_000_000.0, "failed", 0.0123, 3, 0
)
TASK = TaskRecord(
    1, None, "main", "{}", 0.0, "succeeded", 0.0123, 0, 1_234_567, None, None, 1, 0, 0, 0, (), (), (), ()
)
any_text = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(
    [
        "\x1b[2J",
        "\x9b31m",
        "a\rb",
        "a\b\bb",
        "\u202eevil",
        "\u2066x\u2069",
        "\x1b]0;title\x07",
        "\u2028",
        "\udcff",
        "\x7f",
    ]
)


def unsafe(text: str) -> set[str]:
    return {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}}


def test_the_tree_shows_states_times_fuel_and_errors() -> None:
    failed = replace(
        TASK,
        task=2,
        parent=1,
        name="analyse",
        state="failed",
        duration=2.5,
        error_type="timeout",
        message="the deadline passed",
        attempt_count=2,
        attempts=(
            AttemptRecord(1, 0.0, 0.5, 0.1, 950, "task_error", "ValueError: no", "Traceback: ..."),
            AttemptRecord(2, 0.0, None, None, None, None, None),
        ),
        refusal_count=3,
        refusals=(RefusalRecord(0.0, "http", "evil.example:443"),),
        request_count=1,
        requests=(RequestRecord(0.0, "GET", "https://example.com/a", 200, None, 0.25, 0, 2_000),),
    )
    last = replace(TASK, task=3, parent=1, name="last", output_count=7)
    below = replace(TASK, task=4, parent=2, name="below")
    assert render.tree_text(RunTree(RUN, (TASK, failed, last, below))).splitlines()[5:] == [
        "└─ main #1 succeeded 12 ms fuel 1.2M",
        "   ├─ analyse #2 failed 2.5 s fuel 1.2M 2 attempts",
        "   │  │  timeout: the deadline passed",
        "   │  │  attempt 1: 500 ms fuel 950 task_error: ValueError: no",
        "   │  │  attempt 2: not ended",
        "   │  │  refused http: evil.example:443",
        "   │  │  and 2 more refusals",
        "   │  │  GET https://example.com/a 200 250 ms, 0B sent, 2.0kB received",
        "   │  └─ below #4 succeeded 12 ms fuel 1.2M",
        "   └─ last #3 succeeded 12 ms fuel 1.2M",
        "         wrote 7 characters (--output shows them)",
    ]


def test_a_failure_is_shown_once_with_its_places() -> None:
    traceback = 'Traceback (most recent call last):\n  File "\x1bmain.py", line 3, in boom\nValueError: no\n'
    attempts = tuple(
        AttemptRecord(number, 0.0, 0.5, 0.1, 950, "task_error", "ValueError: no", traceback)
        for number in (1, 2)
    )
    failed = replace(
        TASK,
        state="failed",
        error_type="task_error",
        message="ValueError: no",
        attempt_count=2,
        attempts=attempts,
    )
    assert render.tree_text(RunTree(RUN, (failed,))).splitlines()[6:] == [
        "      task_error: ValueError: no",
        "        Traceback (most recent call last):",
        '          File "\\x1bmain.py", line 3, in boom',
        "      attempt 1: 500 ms fuel 950 the same",
        "      attempt 2: 500 ms fuel 950 the same",
    ]


def test_a_long_traceback_is_shown_by_its_beginning_and_its_end() -> None:
    traceback = "".join(f"line {number}\n" for number in range(500)) + "ValueError: no"
    attempt = AttemptRecord(1, 0.0, 0.5, 0.1, 950, "task_error", "ValueError: no", traceback)
    failed = replace(TASK, error_type="task_error", message="ValueError: no", attempts=(attempt,))
    shown = [line.strip() for line in render.tree_text(RunTree(RUN, (failed,))).splitlines()[7:]]
    assert len(shown) == render.LINES_SHOWN + 1
    assert (shown[0], shown[15], shown[-1]) == ("line 0", "...", "line 499")


def test_the_list_has_one_line_for_each_run() -> None:
    lines = render.runs_text([RUN, replace(RUN, id="x" * 2000, state="running", duration=None)]).splitlines()
    assert lines[0].split() == ["RUN", "STARTED", "STATE", "DURATION", "SOURCE", "TASK"]
    assert lines[1].startswith("3f2a91c0d4e5  20")
    assert lines[1].split()[3:] == ["failed", "12", "ms", "main.py", "main"]
    assert lines[2].split()[3:] == ["running", "-", "main.py", "main"]
    assert len(lines) == 3


def test_colour_comes_only_when_it_is_asked_for() -> None:
    tree = RunTree(RUN, (TASK,))
    for plain, coloured in (
        (render.runs_text([RUN]), render.runs_text([RUN], colour=True)),
        (render.tree_text(tree), render.tree_text(tree, colour=True)),
    ):
        assert "\x1b" not in plain
        assert "\x1b[31mfailed" in coloured
        assert unsafe(coloured) == {"\x1b"}


@settings(max_examples=150, deadline=None)
@given(any_text, st.booleans())
def test_nothing_in_a_trace_can_drive_the_terminal(text: str, gap: bool) -> None:
    run = replace(RUN, id=text, source=text, artifact=text, task=text, arguments=text)
    task = replace(
        TASK,
        name=text,
        policy=text,
        error_type=text,
        message=text,
        attempt_count=2,
        attempts=(AttemptRecord(1, 0.0, 1.0, 0.0, 1, text, text),),
        refusals=(RefusalRecord(0.0, text, text),),
        requests=(
            RequestRecord(0.0, text, text, None, text, 0.0, 1, 1),
            RequestRecord(0.0, text, text, 200, text, 0.0, 1, 1),
        ),
        output_count=100,
        output=(OutputRecord(0.0, text, text, gap), OutputRecord(0.0, "stdout", text, False)),
    )
    shown = render.runs_text([run]) + render.tree_text(RunTree(run, (task,)))
    assert unsafe(shown) - {"\t"} == set()
    line = render.to_json(RunTree(run, (task,)))
    assert line.isascii()
    assert unsafe(line) == set()
    assert json.loads(line)["tasks"][0]["name"] == text


def test_one_line_of_a_trace_stays_one_line() -> None:
    task = replace(TASK, name="a\nb", error_type="x", message="first\nsecond\r\nthird")
    plain = render.tree_text(RunTree(RUN, (replace(TASK, error_type="x", message="first"),)))
    assert render.tree_text(RunTree(RUN, (task,))).count("\n") == plain.count("\n")


def test_output_is_shown_by_line_and_stream_with_its_gaps() -> None:
    parts = (
        OutputRecord(0.0, "stdout", "one\ntw", False),
        OutputRecord(0.0, "stdout", "o\n", False),
        OutputRecord(0.0, "stderr", "\x1b[31mred", False),
        OutputRecord(0.0, "stdout", "end\n", True),
    )
    kept = sum(len(part.text) for part in parts)
    lines = render.tree_text(RunTree(RUN, (replace(TASK, output=parts, output_count=kept + 9),))).splitlines()
    assert [line.strip() for line in lines[6:]] == [
        "stdout| one",
        "stdout| two",
        "stderr| \\x1b[31mred",
        "[9 characters were not kept]",
        "stdout| end",
    ]


def test_a_very_deep_tree_is_drawn() -> None:
    tasks = tuple(replace(TASK, task=n, parent=n - 1 or None, name=f"t{n}") for n in range(1, 20_001))
    lines = render.tree_text(RunTree(RUN, tasks)).splitlines()
    assert len(lines) == 5 + 20_000
    assert max(map(len, lines)) < 300
    assert len(json.loads(render.to_json(RunTree(RUN, tasks)))["tasks"]) == 20_000


def test_a_loss_of_events_is_told() -> None:
    assert "5 events came too fast" in render.tree_text(RunTree(replace(RUN, dropped=5), ()))


def test_durations_and_amounts_read_well() -> None:
    durations = {None: "-", 0.0004: "0.4 ms", 0.012: "12 ms", 2.5: "2.5 s", 125.0: "2 m 05 s", 1e300: None}
    for seconds, said in durations.items():
        assert said is None or render._duration(seconds) == said
        render._duration(seconds)
    amounts = {
        0: "0",
        999: "999",
        1000: "1.0k",
        1_234_567: "1.2M",
        50_000_000_000: "50.0G",
        10**18: "1000000T",
    }
    assert {number: render._amount(number) for number in amounts} == amounts
