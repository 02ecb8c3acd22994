"""As a plugin author would: the tutorial of docs/frontends.md, and the skeleton, in a clean environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from capsule.frontend.skeleton import write_skeleton

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/frontends.md").read_text("utf-8")
TUTORIAL = PAGE[: PAGE.index("\n## Reference\n")]

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

LINES = 100
"""The tutorial's frontend has fewer lines of code than this."""


class Shell:
    """Commands in a virtual environment with the host and pytest, and without the rest of this one."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self.folder = folder
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))
        }
        self._variables = kept | {
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(environment),
            # Whatever an installation needs is there: it asks no index, and makes no environment of its own.
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "COLUMNS": "200",
        }

    def run(self, command: str, status: int | None = 0) -> str:
        """What a command writes, without the host's word on its progress. ``cd`` stays in force."""
        if command.startswith("cd "):
            self.folder = self.folder / command.removeprefix("cd ")
            return ""
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert status is None or done.returncode == status, f"{command}\n{done.stdout}"
        return "".join(line for line in done.stdout.splitlines(True) if not line.startswith("capsule: "))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean virtual environment: pip, the host as it would be installed, and what pip needs to build."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv, to make a clean environment quickly")
    folder = tmp_path_factory.mktemp("clean") / "env"
    subprocess.run([uv, "venv", "--quiet", "--seed", folder], check=True, timeout=120)
    # Built from copies: a build leaves nothing behind in the checkout.
    sources = folder.parent / "sources"
    for name in ("capsule", "wit", "cache"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"):
        shutil.copyfile(ROOT / name, sources / name)
    (sources / "pyproject.toml").write_text(_without_workspace((ROOT / "pyproject.toml").read_text()))
    packages = [f"{sources}[testing]", str(sources / "cache"), "hatchling", "editables"]
    command = [uv, "pip", "install", "--quiet", "--python", folder / "bin/python", *packages]
    subprocess.run(command, check=True, timeout=300, cwd=folder.parent)
    return folder


def _without_workspace(text: str) -> str:
    """The host's ``pyproject.toml``, without the tables that are about this checkout."""
    return re.sub(r"^\[tool\.uv\..*?(?=^\[)", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(environment: Path, tmp_path: Path) -> Iterator[Shell]:
    yield Shell(environment, tmp_path)
    installed = (
        "pip list --format=freeze | grep -o '^capsule-[a-z]*' | grep -Ev 'capsule-(run|cache)$' || true"
    )
    for distribution in Shell(environment, tmp_path).run(installed).split():
        Shell(environment, tmp_path).run(f"pip uninstall --quiet --yes {distribution}")


def test_the_tutorial_does_what_it_says(shell):
    for language, title, text in BLOCK.findall(TUTORIAL):
        if title:
            path = shell.folder / title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        elif language == "console":
            for command, expected in _commands(text):
                status = 1 if "error: the task" in expected else 0
                said = shell.run(command, status)
                assert _pattern(expected).fullmatch(said), f"$ {command}\n{said}\nexpected:\n{expected}"


def test_the_tutorials_frontend_is_short(shell):
    code = [text for _, title, text in BLOCK.findall(TUTORIAL) if title.startswith("capsule_prompts/")]
    assert len(code) == 4
    lines = [line for text in code for line in re.sub(r'""".*?"""', "", text, flags=re.DOTALL).splitlines()]
    assert sum(1 for line in lines if line.strip() and not line.strip().startswith(("#", ";;"))) < LINES


def test_the_tutorial_arrives_at_the_skeleton(tmp_path):
    shown = {title: text for _, title, text in BLOCK.findall(TUTORIAL) if title and title != "greet.prompts"}
    written = {
        path.relative_to(tmp_path / "new").as_posix(): path.read_text("utf-8")
        for path in write_skeleton("prompts", tmp_path / "new")
    }
    assert written.pop("README.md")
    assert shown == written


def test_a_new_plugin_passes_its_tests_at_once(shell):
    assert "capsule-toki/tests/toki_test.py" in shell.run("capsule plugin new toki")
    shell.run("cd capsule-toki")
    shell.run('pip install -e ".[testing]"')
    said = shell.run("pytest -q -p no:cacheprovider")
    assert re.search(r"^\d{2,} passed, \d+ skipped in", said, re.MULTILINE), said
    assert "toki leaves out 'http': a Toki task is a text with holes" in said
    (shell.folder / "greet.toki").write_text("task main(name): Hello, {name}!\n")
    assert shell.run("capsule run greet.toki 'A \"quoted\" \u00e9'") == 'Hello, A "quoted" \u00e9!\n'


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with the output that follows it."""
    for part in text.split("$ ")[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def _pattern(expected: str) -> re.Pattern[str]:
    """Output in which a line ``...`` stands for any lines, and ``...`` in a line for anything in it."""
    pattern = ""
    for line in expected.splitlines():
        if line == "...":
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += ".*".join(map(re.escape, line.split("..."))) + r"\n"
    return re.compile(pattern)
