"""The agent's example does what its README says: the host goes on, whatever the model's code does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "agent"


def test_each_answer_of_the_model_gives_a_value_or_a_reason(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "agent", ignore=shutil.ignore_patterns(".capsule"))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path / "agent",
        env={"PATH": "/usr/bin:/bin", "AWS_SECRET_ACCESS_KEY": "hunter2", **_cache()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done
    value, file, network, variable, memory, loop = done.stdout.splitlines()
    assert value == "7"
    assert "/etc/passwd" in file
    assert network.startswith("permission_denied: ")
    assert variable == "task_error: KeyError: 'AWS_SECRET_ACCESS_KEY'"
    assert memory.startswith("out_of_memory: ")
    assert loop.startswith("out_of_fuel: ")
    assert "root:" not in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def _cache() -> dict[str, str]:
    import os

    from capsule.project.user_cache import CACHE_VARIABLE

    return {name: os.environ[name] for name in (CACHE_VARIABLE, "HOME") if name in os.environ}
