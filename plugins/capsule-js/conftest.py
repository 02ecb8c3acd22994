"""What the frontend's tests need: the real bundler, installed once into the user's cache, and a host."""

from __future__ import annotations

from pathlib import Path

import pytest
from capsule_js.bundle import Esbuild
from capsule_js.toolchain import ManagedToolchain

from capsule.build.pipeline import BuildHost
from capsule.errors import BuildError


@pytest.fixture(scope="session")
def managed() -> ManagedToolchain:
    """The tools, in the user's cache."""
    return ManagedToolchain()


@pytest.fixture(scope="session")
def esbuild(managed: ManagedToolchain) -> Esbuild:
    """The bundler; without a network and a cache, its tests are skipped."""
    try:
        return managed.esbuild(print)
    except BuildError as error:
        pytest.skip(f"needs esbuild: {error}")


class TestHost(BuildHost):
    """The real host, with a cache of the test's own and the list of what was said."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        super().__init__("javascript", self.said.append)
        self.folder = folder

    def cache_folder(self, name: str) -> Path:
        """A folder of the test's own."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> TestHost:
    """A host with an empty cache."""
    return TestHost(tmp_path_factory.mktemp("cache"))
