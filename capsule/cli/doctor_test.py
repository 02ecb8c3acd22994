from __future__ import annotations

import pytest

from capsule.cli.doctor import _wasmtime, _workers
from capsule.confinement.worker import Offered
from capsule.runtime import engine as engines


def test_an_old_wasmtime_is_said_to_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "wasmtime_version", lambda: "49.0.0")
    monkeypatch.setattr("capsule.runtime.engine.engine", engines.engine.__wrapped__)
    check = _wasmtime()
    assert check.state == "broken"
    assert "known sandbox escapes" in check.detail
    assert check.hint is not None
    assert "pip install" in check.hint


def test_each_defence_has_a_line_that_says_whether_it_holds() -> None:
    all_of_it = list(_workers(Offered(True, 6, True, True, True, True)))
    none_of_it = list(_workers(Offered(False, 1, False, False, False, False)))
    names = [
        "no new privileges",
        "Landlock",
        "seccomp",
        "mount namespace",
        "IPC and network namespaces",
        "memory limits",
    ]
    assert [check.name for check in all_of_it] == [check.name for check in none_of_it] == names
    assert {check.state for check in all_of_it} == {"ok"}
    assert {check.state for check in none_of_it} == {"info"}
    assert all(check.hint for check in none_of_it)


@pytest.mark.parametrize(
    ("abi", "said"),
    [
        (2, "ABI 2: files"),
        (4, "ABI 4: files, TCP"),
        (6, "ABI 6: files, TCP, abstract sockets and signals"),
    ],
)
def test_it_says_what_this_landlock_closes(abi: int, said: str) -> None:
    checks = {check.name: check for check in _workers(Offered(True, abi, True, True, True, True))}
    assert checks["Landlock"].detail == said
