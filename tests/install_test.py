"""The first hour, as a stranger has it: the README in a shell, and wheels in an empty environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
INSTALLING = (ROOT / "docs/install.md").read_text("utf-8")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv, to make clean environments"),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the repository, uncommitted changes included, in a folder of its own."""
    folder = tmp_path_factory.mktemp("fresh") / "capsule"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("the tests don't run from a checkout")
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def shell(script: str, folder: Path, path: Path) -> str:
    """What a script writes that is pasted into a new shell; a line that fails ends it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL_ENV", "UV_PROJECT", "COV"))
    }
    kept["PATH"] = f"{path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e"],
        input=script,
        cwd=folder,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def pip_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The commands of a Python that has pip and nothing else."""
    folder = tmp_path_factory.mktemp("python") / "env"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    return folder / "bin"


def test_the_readme_can_be_pasted_from_its_first_command_to_a_program_of_ones_own(checkout, pip_only):
    blocks = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    first, tests = blocks[0].strip().splitlines()
    assert tests == "uv run --group dev pytest"
    # All of the tests would take their time a second time: one file stands for them here.
    tests += " -q capsule/policy/sizes_test.py"
    said = shell("\n".join([first, tests, *blocks[1:]]), checkout, pip_only)
    assert "Hello from Capsule!" in said
    assert " passed" in said
    assert (checkout.parent / "first" / "main.py").exists()
    assert "'fuel_consumed': " in said.splitlines()[-1]


def test_the_first_command_installs_what_running_needs_and_no_more(checkout, pip_only):
    said = shell(
        "pip install -q uv && uv sync -q --frozen 2>/dev/null || uv sync -q\nuv pip list", checkout, pip_only
    )
    packages = {line.split()[0] for line in said.splitlines() if re.match(r"^[\w.-]+ +\d", line)}
    assert {"capsule-run", "capsule-python", "componentize-py", "wasmtime"} <= packages
    assert not packages & {"ziglang", "moto", "botocore", "mypy", "pytest", "capsule-c", "sympy"}
    assert len(packages) <= 40


def test_wheels_of_all_distributions_run_a_task_in_an_empty_environment(checkout, tmp_path):
    build = re.search(r"^uv build .*$", INSTALLING, re.MULTILINE)
    assert build is not None
    script = f"{build[0]} --quiet\nuv venv -q {tmp_path / 'env'}\n"
    script += f"uv pip install -q --python {tmp_path / 'env'}/bin/python dist/*.whl\n"
    script += f"cd {tmp_path}\ncat > main.py <<'PY'\nfrom capsule import task\n@task(compute='LOW')\n"
    script += "def main(): return 6 * 7\nPY\ncat > main.ts <<'TS'\n"
    script += 'import { task } from "@capsule-run/sdk";\n'
    script += 'export const main = task({ name: "main", compute: "LOW" }, () => 6 * 8);\nTS\n'
    script += f"{tmp_path / 'env'}/bin/capsule run main.py\n{tmp_path / 'env'}/bin/capsule run main.ts\n"
    said = shell(script, checkout, tmp_path)
    assert said.split()[-1:] == ["48"]
    assert "42" in said.split()
    built = {path.name.split("-")[0] for path in (checkout / "dist").glob("*.whl")}
    named = {
        re.search(r'^name = "(.*)"', path.read_text(), re.MULTILINE)[1].replace("-", "_")
        for path in [
            ROOT / "pyproject.toml",
            *ROOT.glob("*/pyproject.toml"),
            *ROOT.glob("plugins/*/pyproject.toml"),
        ]
    }
    assert built == named


def test_what_is_pasted_without_uv_runs_the_same_task(checkout, pip_only):
    block = re.search(r"## Without uv\n+```bash\n(.*?)```", INSTALLING, re.DOTALL)
    assert block is not None
    assert shell(block[1], checkout, pip_only).splitlines()[-1] == "Hello from Capsule!"
