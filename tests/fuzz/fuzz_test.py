"""The host's parsers under bytes that nobody meant: minutes here, longer with ``tests/fuzz/run.py``.

The same inputs are tried each time, so that this says the same on every machine; new ones are tried by a
long run, and what it finds becomes a seed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fuzzing import artifacts, policies, protocols, sources
from fuzzing.mutation import mutated
from fuzzing.target import MEMORY, SEEDS, TARGETS, Greedy, Hang, Target, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

EXAMPLES = 100

MODULES = (artifacts, policies, protocols, sources)
NAMES = {name for module in MODULES for name in vars(module) if name in TARGETS}


def warm(name: str) -> Target:
    target = TARGETS[name]
    target.warm_up()
    return target


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_end_in_the_documented_way(name):
    target = warm(name)
    taken = [target.run(seed) for seed in target.seeds]
    assert any(taken), "no seed is taken: the target tries refusals only"


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_bytes_end_in_the_documented_way(name):
    target = warm(name)

    @settings(
        max_examples=EXAMPLES // target.cost,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(target))
    def tried(data):
        target.run(data)

    tried()


def test_every_target_has_seeds_and_every_seed_a_target():
    assert {folder.name for folder in SEEDS.iterdir()} == set(TARGETS) == NAMES


def test_the_page_lists_every_target():
    page = (Path(__file__).parent.parent.parent / "docs/security-tests.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE)
    assert listed == [(name, str(len(target.seeds))) for name, target in TARGETS.items()]


# That the checks can fail


def broken(check) -> Target:
    return Target("broken", check, (ValueError,), ())


def test_an_exception_that_is_not_documented_is_found():
    with pytest.raises(KeyError):
        broken(lambda data: {}[data]).run(b"x")


def test_a_parser_that_believes_a_length_is_found():
    with pytest.raises(Greedy):
        broken(lambda data: bytearray(int.from_bytes(data, "big"))).run((4 * MEMORY).to_bytes(4, "big"))


def test_a_parser_that_takes_memory_only_to_refuse_is_found():
    def check(data):
        bytearray(4 * MEMORY)
        raise ValueError

    with pytest.raises(Greedy):
        broken(check).run(b"x")


def test_a_parser_that_hangs_is_found(monkeypatch):
    monkeypatch.setattr("fuzzing.target.HANGS_AFTER", 0.2)

    def check(data):
        while True:
            pass

    with pytest.raises(Hang):
        broken(check).run(b"x")


@settings(max_examples=50)
@given(st.text())
def test_text_of_a_sandbox_keeps_its_surrogates(value):
    assert text(value.encode("utf-8", "surrogatepass")) == value
