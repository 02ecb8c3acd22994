from __future__ import annotations

import pytest

from capsule.cli.doctor import _wasmtime
from capsule.runtime import engine as engines


def test_an_old_wasmtime_is_said_to_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "wasmtime_version", lambda: "49.0.0")
    monkeypatch.setattr("capsule.runtime.engine.engine", engines.engine.__wrapped__)
    check = _wasmtime()
    assert check.state == "broken"
    assert "known sandbox escapes" in check.detail
    assert check.hint is not None
    assert "pip install" in check.hint
