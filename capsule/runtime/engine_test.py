from __future__ import annotations

import subprocess
import sys

import pytest

from capsule.errors import CapsuleError
from capsule.runtime import engine as engines
from capsule.runtime.engine import check_wasmtime, engine, wasmtime_version


@pytest.mark.parametrize(
    "version", ["50.0.0", "50.0", "49.9.9", "9.0.0", "0", "", "50.0.0rc1", "50.0.dev1", "next"]
)
def test_a_wasmtime_with_known_escapes_is_refused(version: str) -> None:
    with pytest.raises(CapsuleError, match="known sandbox escapes") as raised:
        check_wasmtime(version)
    assert "pip install" in str(raised.value.hint)


@pytest.mark.parametrize("version", ["50.0.1", "50.0.2", "50.1.0", "51.0.0", "100.0", "50.0.1.post1"])
def test_a_wasmtime_without_any_is_taken(version: str) -> None:
    check_wasmtime(version)


def test_the_installed_one_is_taken() -> None:
    import wasmtime

    check_wasmtime(wasmtime_version())
    assert wasmtime_version() == getattr(wasmtime, "__version__", wasmtime_version())


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "wasmtime_version", lambda: "49.0.0")
    monkeypatch.setattr("capsule.runtime.engine.engine", engine.__wrapped__)


def test_no_engine_is_made_with_an_old_one(old: None) -> None:
    with pytest.raises(CapsuleError, match=r"wasmtime 49\.0\.0 has known sandbox escapes"):
        engines.engine()


def test_a_process_with_an_old_one_runs_nothing() -> None:
    """From the start of a process on, and before anything of a guest's is looked at."""
    program = (
        "from capsule.runtime import engine; engine.OLDEST_SAFE_WASMTIME = (999, 0, 0)\n"
        "from capsule.errors import CapsuleError\n"
        "try:\n    from capsule.runtime import linker; linker.linker()\n"
        "except CapsuleError as error:\n    print('refused:', error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused: wasmtime")
