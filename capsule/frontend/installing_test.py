"""A hint about what is not installed is a line that works, and never installs somebody else's package."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from capsule.frontend import installing
from capsule.frontend.installing import FOLDERS, install_line, installer, python

ROOT = Path(__file__).parents[2]


class Installed:
    def __init__(self, text: str | None) -> None:
        self.text = text

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.text


@pytest.fixture
def installed_from(monkeypatch):
    """Makes the host one that was installed from there."""

    def host(url: str | None) -> None:
        text = None if url is None else json.dumps({"url": url})
        monkeypatch.setattr("importlib.metadata.distribution", lambda name: Installed(text))
        installing._origin.cache_clear()

    yield host
    installing._origin.cache_clear()


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def test_every_distribution_lies_where_the_table_says():
    for distribution, folder in FOLDERS.items():
        assert f'name = "{distribution}"' in (ROOT / folder / "pyproject.toml").read_text()


def test_from_a_checkout_a_frontend_is_installed_by_its_path(installed_from):
    installed_from(ROOT.as_uri())
    assert words(install_line("capsule-c"))[-2:] == ["-e", str(ROOT / "plugins/capsule-c")]
    assert words(install_line("capsule-run[testing]"))[-2:] == ["-e", f"{ROOT}[testing]"]
    assert install_line("capsule-run", upgrade=True).startswith(f"git -C {ROOT} pull && ")


def test_from_a_wheel_a_frontend_is_the_wheel_beside_it(installed_from, tmp_path):
    for name in ("capsule_run", "capsule_python"):
        (tmp_path / f"{name}-0.9.0-py3-none-any.whl").touch()
    installed_from((tmp_path / "capsule_run-0.9.0-py3-none-any.whl").as_uri())
    [wheel] = tmp_path.glob("capsule_python*")
    assert words(install_line("capsule-python"))[-1] == str(wheel)
    assert words(install_line("capsule-python[all]"))[-1] == f"{wheel}[all]"
    assert "in a checkout of capsule" in install_line("capsule-c")


@pytest.mark.parametrize("url", [None, "https://example.org/capsule.git", "file:///nowhere", "file:", ""])
@pytest.mark.parametrize("distribution", FOLDERS)
def test_no_line_takes_one_of_ours_from_an_index(installed_from, url, distribution):
    installed_from(url)
    line = install_line(distribution, upgrade=True)
    assert words(line)[-2] == "-e"
    assert words(line)[-1].startswith("./")
    assert "in a checkout of capsule: it is on no package index" in line


def test_what_is_not_ours_is_named_as_it_is(installed_from):
    installed_from(None)
    line = install_line("wasmtime>=50.0.1,<51", again=True)
    assert words(line)[-2:] == ["--force-reinstall", "wasmtime>=50.0.1,<51"]
    assert "#" not in line


def test_the_line_installs_into_this_environment(monkeypatch):
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert python() == ("python",)
    monkeypatch.setattr(installing, "_has_pip", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: str(Path(sys.executable).parent / name))
    assert installer() == ("uv", "pip", "install")
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert python() == (sys.executable,)
    assert installer() == ("uv", "pip", "install", "--python", sys.prefix)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert python() == (sys.executable,)
    assert words(install_line("six")) == words(
        f"{sys.executable} -m ensurepip && {sys.executable} -m pip install six"
    )


def test_with_pip_the_line_is_pips(monkeypatch):
    monkeypatch.setattr(installing, "_has_pip", lambda: True)
    assert installer() == (*python(), "-m", "pip", "install")


def test_no_text_of_ours_tells_anybody_to_install_what_is_not_there():
    """One module knows how; whoever writes the words elsewhere is found here."""
    wrong = []
    for folder in ("capsule", "plugins"):
        for path in (ROOT / folder).rglob("*"):
            named = path.suffix in (".py", ".js", ".mjs", ".ts", ".in", ".c", ".h") and path.is_file()
            if not named or path.name.endswith("_test.py") or "node_modules" in path.parts:
                continue
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                # Quotes stand between the command and the name, or an option.
                bare = line.replace('"', "").replace("'", "")
                if (
                    "install capsule-" in bare
                    or "install @capsule-run" in bare
                    or "reinstall capsule" in bare
                ):
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert wrong == []
