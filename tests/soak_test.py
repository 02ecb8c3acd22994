"""The soak of bench/, for a minute: what it asks for, and that it notices what would be wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

BENCH = Path(__file__).parent.parent / "bench"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

SECONDS = 30
"""With what comes before and after, a minute."""


def test_a_minute_of_good_and_hostile_tasks_from_eight_callers_loses_nothing_and_leaves_nothing(tmp_path):
    report_file = tmp_path / "report.json"
    hindering = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
    done = subprocess.run(
        [
            sys.executable,
            BENCH / "soak.py",
            *("--seconds", str(SECONDS)),
            *("--sample-seconds", "1"),
            *("--json", report_file),
        ],
        env={name: value for name, value in os.environ.items() if name not in hindering},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    report = json.loads(report_file.read_text())
    assert report["callers"] == 8
    assert (report["lost"], report["wrong"], report["violations"]) == (0, 0, [])
    good = sum(case["runs"] for case in report["cases"].values() if not case["hostile"])
    hostile = sum(case["runs"] for case in report["cases"].values() if case["hostile"])
    assert good > 0
    assert hostile > 0


@pytest.fixture
def soaking(monkeypatch):
    """The soak's own modules, which lie beside its script."""
    monkeypatch.syspath_prepend(str(BENCH))


def outcome(result=None, error=None, message="..."):
    failed = None if error is None else {"error_type": error, "message": message, "traceback": None}
    return {"success": error is None, "result": result, "error": failed, "execution": {}}


def good():
    from soaking.asks import Ask

    return Ask("good", "good.py", "hello", hostile=False, result=[1])


def tallied(ask, its_outcome, *, killed=False):
    from soaking.tally import Tally

    tally = Tally()
    tally.begin("caller", ask)
    if killed:
        tally.killing(7)
    tally.end("caller", 7, ask, its_outcome)
    return tally


def test_the_soak_notices_a_wrong_result_and_a_wrong_error(soaking):
    from soaking.asks import HOSTILE, draw

    assert tallied(good(), outcome([1])).violations == []
    assert "not [1]" in tallied(good(), outcome([2])).violations[0]
    assert "timeout" in tallied(good(), outcome(error="timeout")).violations[0]
    for _, hostile in HOSTILE:
        ask = hostile(Random(1), "http://127.0.0.1:1/")
        assert tallied(ask, outcome("forged")).wrong == 1
        assert tallied(ask, outcome(error="load_error")).wrong == 1
    assert {draw(Random(seed), "url").hostile for seed in range(50)} == {True, False}


def test_the_soak_excuses_only_what_says_that_a_worker_was_killed_when_one_was(soaking):
    crash = outcome(error="crash", message="the task's worker process was ended by SIGKILL")
    assert tallied(good(), crash).wrong == 1
    excused = tallied(good(), crash, killed=True)
    assert (excused.wrong, excused.excused) == (0, 1)
    assert tallied(good(), outcome([2]), killed=True).wrong == 1
    assert tallied(good(), outcome(error="timeout"), killed=True).wrong == 1


def test_the_soak_notices_an_outcome_that_does_not_come(soaking):
    from soaking.tally import Tally

    tally = Tally()
    tally.begin("caller", good())
    assert [caller for caller, _ in tally.waiting(-1)] == ["caller"]
    assert tally.waiting(100) == []
    tally.lose("caller", good(), "no outcome")
    assert (tally.lost, tally.violation_count, tally.waiting(-1)) == (1, 1, [])


@pytest.mark.parametrize(
    ("rise", "noise", "flat"),
    [(0, 0, True), (0, 0.3, True), (0.08, 0.01, True), (0.2, 0.01, False), (1, 0.3, False)],
)
def test_the_soak_tells_memory_that_grows_from_memory_that_is_noisy(soaking, rise, noise, flat):
    from soaking.trend import trend

    random = Random(5)
    samples = [
        (5.0 * number, 2e8 * (1 + random.uniform(-noise, noise) + (rise * max(0, number - 60) / 60)))
        for number in range(120)
    ]
    found = trend(samples)
    assert found.flat is flat, found
    assert found.growth == pytest.approx(rise / (1 + rise / 2), abs=3 * found.error + 0.02)


def test_the_soak_counts_warming_up_as_no_growth_and_needs_samples(soaking):
    from soaking.trend import trend

    assert trend([(number, 1e8 + min(number, 30) * 1e7) for number in range(100)]).flat
    assert trend([(number, 1e8) for number in range(5)]) is None
    assert trend([]) is None


LEFT_BEHIND = """
import os, signal, subprocess, sys
from soaking.processes import adopt_orphans, left_over

adopt_orphans()
forks = "import os, time; os.fork() or time.sleep(60)"
assert not left_over()
subprocess.run([sys.executable, "-c", forks], check=True)
[orphan] = left_over()
os.kill(int(orphan.partition(":")[0]), signal.SIGKILL)
while left_over():
    pass
print(orphan)
"""


def test_the_soak_sees_processes_that_are_left(soaking):
    done = subprocess.run(
        [sys.executable, "-c", LEFT_BEHIND],
        env=os.environ | {"PYTHONPATH": str(BENCH)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "os.fork" in done.stdout
