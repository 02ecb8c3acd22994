"""What the frontend's tests share: projects, runs of them in process, and the C library, built once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from capsule import Envelope, run_sync
from capsule.build.pipeline import BuildHost
from capsule.frontend.spec import Source
from capsule.launch.journals import close_journals
from capsule.project.user_cache import CACHE_VARIABLE

PROGRAMS = Path(__file__).parent / "tests" / "programs"


@pytest.fixture(scope="session", autouse=True)
def user_cache() -> Iterator[Path]:
    """The cache that the tests of the whole use too: the C library takes half a minute to build."""
    before = os.environ.get(CACHE_VARIABLE)
    folder = Path(before) if before else platformdirs.user_cache_path("capsule-tests", appauthor=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder))
        yield folder
        close_journals()


class Project:
    """A project folder with C files in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Writes files by their names."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def source(self, name: str = "main.c") -> Source:
        """A source of the project as frontends get it."""
        return Source(self.root / name, self.root)

    def run(self, text: str, *args: Any, file: str = "main.c", **options: Any) -> Envelope:
        """Writes a program and runs it in this process."""
        self.write({file: text})
        return run_sync(self.root / file, args, cwd=self.root, **options)

    def program(self, name: str, *args: Any, **options: Any) -> Envelope:
        """Runs one of the programs beside the tests."""
        return self.run((PROGRAMS / name).read_text(), *args, file=name, **options)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project."""
    root = tmp_path / "project"
    root.mkdir()
    yield Project(root)
    close_journals()


@pytest.fixture
def host() -> BuildHost:
    """The real host."""
    return BuildHost("c", lambda message: None)
