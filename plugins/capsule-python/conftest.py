"""What the tests of the Python frontend share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from capsule.build.pipeline import BuildHost
from capsule.frontend.spec import Engine, Program, Source
from capsule.frontend.wheels.installers import find_installer

Project = Callable[..., Source]


class CountingHost:
    """The real host, with a cache folder of the test's own, and a record of what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.messages: list[str] = []
        self.calls: list[str] = []
        self._real = BuildHost("python", self.messages.append)

    def progress(self, message: str) -> None:
        """Keeps the message."""
        self.messages.append(message)

    def call_engine(
        self, engine: Engine, export: str, *arguments: str, program: Program | None = None
    ) -> str:
        """Calls the engine in a real sandbox; the engine itself is built once, into the user's cache."""
        self.calls.append(export)
        return self._real.call_engine(engine, export, *arguments, program=program)

    def cache_folder(self, name: str) -> Path:
        """A folder of this test's."""
        folder = self._folder / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def download(self, url: str, most: int) -> bytes:
        """Really downloads."""
        return self._real.download(url, most)


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> CountingHost:
    """A host with an empty cache for packages."""
    return CountingHost(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes files into a project folder, and gives the source ``main.py`` in it."""

    def write(files: Mapping[str, str | bytes], source: str = "main.py", **settings: object) -> Source:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Source(tmp_path / source, tmp_path, settings)

    return write


@cache
def _why_no_index() -> str | None:
    tool = find_installer()
    if tool is None:
        return "neither uv nor pip is there"
    if tool.name == "uv":
        arguments = ["pip", "compile", "--quiet", "--universal", "--no-deps", "-"]
    else:
        arguments = ["download", "--quiet", "--no-deps", "--dest", "/dev/null", "six"]
    done = subprocess.run([*tool.command, *arguments], input=b"six", capture_output=True, check=False)
    return None if done.returncode == 0 else f"{tool.name} reaches no package index here"


@pytest.fixture
def package_index() -> None:
    """Skips the test where no package index can be reached."""
    why = _why_no_index()
    if why is not None:
        pytest.skip(why)
