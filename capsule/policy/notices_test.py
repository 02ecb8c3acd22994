"""Notices reach whoever runs the process, each of them once where that is asked."""

from __future__ import annotations

import logging

import pytest

from capsule.errors import Location
from capsule.policy import notices
from capsule.policy.sizes import parse_duration


@pytest.fixture
def said(monkeypatch):
    messages: list[str] = []
    monkeypatch.setattr(notices, "_show", messages.append)
    monkeypatch.setattr(notices, "_said", set())
    return messages


def test_a_program_that_embeds_capsule_finds_them_in_its_log(monkeypatch, caplog):
    monkeypatch.setattr(notices, "_show", None)
    with caplog.at_level(logging.WARNING, "capsule.policy"):
        notices.notice("something", logger="capsule.policy")
    assert [(record.name, record.message) for record in caplog.records] == [("capsule.policy", "something")]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (5, 'main.py:3: timeout = 5 is 5 milliseconds; seconds are written "5s"'),
        (1, 'main.py:3: timeout = 1 is 1 millisecond; seconds are written "1s"'),
        (0.5, 'main.py:3: timeout = 0.5 is 0.5 milliseconds; seconds are written "0.5s"'),
        (99, 'main.py:3: timeout = 99 is 99 milliseconds; seconds are written "99s"'),
    ],
)
def test_a_small_number_for_a_duration_is_taken_and_doubted_once(said, value, told):
    for _ in range(3):
        assert parse_duration(value, "timeout", Location("main.py", 3)) == value / 1000
    assert said == [told]


@pytest.mark.parametrize("value", [100, 5000, 30 * 1000, "5ms", "5s"])
def test_a_plausible_duration_is_not_doubted(said, value):
    parse_duration(value, "timeout", Location("main.py", 3))
    assert said == []


def test_each_place_is_told_by_itself(said):
    for line in (3, 4):
        parse_duration(5, "timeout", Location("main.py", line))
    assert len(said) == 2


def test_the_memory_of_what_was_said_is_bounded(said):
    for number in range(3000):
        notices.notice_once(str(number), logger="capsule.policy")
    assert len(said) == 1000
