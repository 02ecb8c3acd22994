"""Events pass on in their order, without the values that a masker knows."""

from __future__ import annotations

from capsule.egress.secrets.masking import NOTHING, Masker, all_forms
from capsule.egress.secrets.redaction import RedactedSink, variables_masker
from capsule.events import (
    AttemptEnded,
    Event,
    Output,
    Refused,
    Requested,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskStarted,
)

VALUE = "sk-0123456789abcdef"
SECRETS = Masker([(all_forms(VALUE), "[secret KEY]")])


def redacted(*events: Event, masker: Masker = SECRETS) -> list[Event]:
    seen: list[Event] = []
    sink = RedactedSink(masker, (seen.append,))
    for event in events:
        sink(event)
    return seen


def started(task: int) -> TaskStarted:
    return TaskStarted("r", task, None, "main", 0.0, "{}")


def ended(task: int, message: str | None = None) -> TaskEnded:
    return TaskEnded("r", task, 1.0, "failed", 1.0, 0, 0, "task_error", message)


def out(task: int, text: str, stream: str = "stdout") -> Output:
    return Output("r", task, 0.5, stream, text)  # type: ignore[arg-type]


def test_every_text_of_an_event_is_masked_and_nothing_else_is_changed() -> None:
    plain: list[Event] = [
        RunStarted("r", 0.0, "main.py", "key", "main", f'["{VALUE}"]', 1),
        AttemptEnded("r", 1, 1, 0.0, 0.0, 0.0, 0, "task_error", f"no {VALUE}"),
        Refused("r", 1, 0.0, "allowed_hosts", f"host {VALUE}"),
        Requested("r", 1, 0.0, "GET", f"https://x.com/{VALUE}", 200, None, 0.0, 0, 0),
        ended(1, f"no {VALUE}"),
        ended(1),
        RunEnded("r", 0.0, "failed", 0.0),
    ]
    shown = redacted(*plain)
    assert [type(event) for event in shown] == [type(event) for event in plain]
    assert VALUE not in repr(shown)
    assert repr(shown) == repr(plain).replace(VALUE, "[secret KEY]")


def test_a_value_that_is_split_over_writes_is_masked_and_the_rest_comes_before_the_task_s_end() -> None:
    shown = redacted(started(1), out(1, "a sk-0123"), out(1, "456789abcdef b sk-01"), ended(1))
    assert [event.text for event in shown if isinstance(event, Output)] == ["a ", "[secret KEY] b ", "sk-01"]
    assert isinstance(shown[-1], TaskEnded)


def test_streams_and_tasks_are_apart() -> None:
    shown = redacted(
        started(1),
        started(2),
        out(1, "sk-01"),
        out(2, "23456789abcdef"),
        out(1, "x", "stderr"),
        ended(1),
        ended(2),
    )
    texts = [(event.task, event.stream, event.text) for event in shown if isinstance(event, Output)]
    assert texts == [(2, "stdout", "23456789abcdef"), (1, "stderr", "x"), (1, "stdout", "sk-01")]


def test_what_comes_after_a_task_s_end_is_not_kept_back() -> None:
    shown = redacted(started(1), ended(1), out(1, f"{VALUE} sk-01"))
    assert shown[-1] == out(1, "[secret KEY] sk-01")


def test_nothing_is_remembered_of_tasks_that_have_ended() -> None:
    sink = RedactedSink(SECRETS, ())
    for task in range(1000):
        for event in (started(task), out(task, "sk-01"), out(task, "sk-01", "stderr"), ended(task)):
            sink(event)
    assert not sink._streams
    assert not sink._under_way


def test_a_listener_may_cause_the_next_event() -> None:
    seen: list[Event] = []

    def listener(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Output):
            sink(ended(1))

    sink = RedactedSink(SECRETS, (listener,))
    sink(started(1))
    sink(out(1, "x"))
    assert [type(event) for event in seen] == [TaskStarted, Output, TaskEnded]


def test_variables_are_masked_from_six_characters_on_and_secrets_stay_secrets() -> None:
    masker = variables_masker({"A": "12345", "B": "123456", "C": VALUE}, SECRETS)
    assert masker.text(f"12345 123456 {VALUE}") == "12345 [env B] [secret KEY]"
    assert not variables_masker({"A": "12345"}, NOTHING)
