from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.artifact.foreign import Contract
from capsule.artifact.foreign_policy import granted, under_ceilings, what_to_type
from capsule.artifact.manifest import Manifest, Task
from capsule.errors import Location
from capsule.policy.limits import Limits, apply_limits
from capsule.policy.model import GRANTS, Policy, TaskPolicy


def test_without_ceilings_nothing_is_granted_and_everything_is_bounded():
    policy = granted(Limits()).policy
    assert all(getattr(policy, option) == () for option in GRANTS)
    assert policy.ram is not None
    assert policy.timeout is not None
    assert policy.max_retries == 0


def test_a_ceiling_is_what_is_given():
    limits = Limits.parse(
        {"allowed_hosts": ["*"], "ram": "2GB", "timeout": "5m", "compute": "HIGH"}, "--limit"
    )
    found = granted(limits)
    assert found.policy.allowed_hosts == ("*",)
    assert (found.policy.ram, found.policy.timeout) == (limits.ram, 300.0)
    assert found.policy.compute == limits.compute
    assert found.origins["ram"] == "--limit ram"


def test_a_ceiling_on_retries_asks_for_none():
    assert granted(Limits(max_retries=5)).policy.max_retries == 0


@given(
    st.builds(
        Limits,
        compute=st.none() | st.integers(1, 10**15),
        ram=st.none() | st.integers(1, 2**40),
        timeout=st.none() | st.floats(0.001, 1e6),
        max_retries=st.none() | st.integers(0, 10),
        allowed_hosts=st.none() | st.lists(st.sampled_from(["*", "a.example"]), unique=True).map(tuple),
        env_variables=st.none() | st.lists(st.sampled_from(["A", "B"]), unique=True).map(tuple),
    )
)
def test_what_is_given_is_within_the_ceilings_already(limits):
    found = granted(limits)
    assert apply_limits(found, limits).policy == found.policy


def test_artifacts_of_ours_keep_what_they_declare():
    task = Task("main", TaskPolicy(Policy()), Location("main.py", 1))
    manifest = Manifest("main.py", "0" * 32, "python", "1", {"main": task}, {})
    assert under_ceilings(manifest, Limits(ram=1)) is manifest


@pytest.mark.parametrize("contract", [Contract.HOST, Contract.COMMAND])
def test_whatever_a_foreign_manifest_says_is_replaced(contract):
    task = Task("main", TaskPolicy(Policy(allowed_hosts=("*",), ram=None)), Location("x.wasm"))
    manifest = Manifest("x.wasm", "0" * 32, contract, "", {"main": task}, {}, contract)
    declared = under_ceilings(manifest, Limits()).tasks["main"].declared
    assert declared == granted(Limits())


def test_what_to_type_is_told_only_to_those_who_said_nothing():
    assert "--mount" in (what_to_type(Limits(), mounted=False) or "")
    assert what_to_type(Limits(ram=1), mounted=False) is not None
    assert what_to_type(Limits(), mounted=True) is None
    assert what_to_type(Limits(allowed_hosts=()), mounted=False) is None
    assert what_to_type(Limits.deny_all(), mounted=False) is None
