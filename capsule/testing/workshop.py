"""Building and running an author's programs: the real pipeline, and failures that name the broken promise."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from capsule.api import run_sync
from capsule.artifact.manifest import Manifest
from capsule.build.pipeline import BuildHost, Built, Plan, build, plan, self_contained
from capsule.errors import CapsuleError
from capsule.frontend.manager import plugins
from capsule.frontend.spec import Frontend
from capsule.policy.model import Policy
from capsule.project.opened import open_project
from capsule.sdk.outcome import Envelope
from capsule.testing.programs import PROGRAMS, Programs

CONFIG = "capsule.toml"


def _quietly(message: str) -> None:
    """Progress is nobody's here."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """A project folder that holds the programs, and what can be done with them."""

    programs: Programs
    folder: Path

    @classmethod
    def open(cls, programs: Programs, folder: Path) -> Workshop:
        """Copies what is beside the programs into an empty folder."""
        shutil.copytree(
            programs.folder,
            folder,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(".capsule", "__pycache__"),
        )
        # Without settings of its own, the folder would belong to whatever project lies around it.
        (folder / CONFIG).touch()
        return cls(programs, folder)

    @property
    def frontend(self) -> Frontend:
        """The frontend for the programs' suffix."""
        try:
            return plugins().frontend_for(Path(f"hello{self.programs.suffix}"))
        except CapsuleError as error:
            pytest.fail(f"{self.programs.suffix}: no installed frontend takes it: {error}", pytrace=False)

    @property
    def host(self) -> BuildHost:
        """The host that the frontend works with."""
        return BuildHost(self.frontend.name, _quietly)

    def require(self, name: str) -> Path:
        """A program's copy. Skips the test for one that is left out, and fails it for one that is missing."""
        reason = self.programs.left_out.get(name)
        if reason is not None:
            pytest.skip(f"{self.programs.suffix} leaves out {name!r}: {reason}")
        if name in PROGRAMS and not self.programs.path(name).is_file():
            self.broken(name, "it is there, or left out with a reason", f"it must do this: {PROGRAMS[name]}")
        return self.folder / f"{name}{self.programs.suffix}"

    def broken(self, name: str, promise: str, found: object) -> NoReturn:
        """Fails the test."""
        path = self.programs.path(name)
        pytest.fail(f"{path} breaks a promise: {promise}\nfound: {found!s}", pytrace=False)

    def check(self, held: bool, name: str, promise: str, found: object) -> None:
        """Fails the test, unless the promise is held."""
        if not held:
            self.broken(name, promise, found)

    def write(self, name: str, content: bytes) -> Path:
        """Writes another source beside the programs, without its suffix in ``name``."""
        path = self.folder / f"{name}{self.programs.suffix}"
        path.write_bytes(content)
        return path

    def plan(self, path: Path) -> Plan:
        """What building a source comes down to. Raises `CapsuleError`."""
        return plan(open_project(path, self.folder, plugins()), plugins(), progress=_quietly)

    def build(self, name: str) -> Built:
        """Builds a program."""
        path = self.require(name)
        try:
            return build(self.plan(path), progress=_quietly)
        except CapsuleError as error:
            self.broken(name, "it builds", error)

    def manifest(self, name: str) -> Manifest:
        """What a program declares."""
        return self.build(name).artifact.manifest

    def policy(self, name: str, task: str = "main") -> Policy:
        """What a task of a program declares."""
        tasks = self.manifest(name).tasks
        self.check(task in tasks, name, f"it declares the task {task!r}", f"the tasks {list(tasks)}")
        return tasks[task].declared.policy

    def export(self, name: str) -> Path:
        """Builds a program into a ``.wasm`` that needs nothing else, in a folder of its own."""
        path = self.folder / "exported" / f"{name}.wasm"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self_contained(self.build(name), _quietly))
        (path.parent / CONFIG).touch()
        return path

    def run(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        task: str = "main",
        limits: Mapping[str, Any] | None = None,
    ) -> Envelope:
        """Runs a task of a program in a sandbox."""
        path = self.require(name)
        try:
            return run_sync(path, args, kwargs, task=task, cwd=self.folder, limits=limits)
        except CapsuleError as error:
            self.broken(name, f"its task {task!r} can be run", error)

    def result(self, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """What the main task of a program returns."""
        envelope = self.run(name, args, kwargs)
        self.check(envelope.success, name, f"its main task returns: {PROGRAMS[name]}", envelope.error)
        return envelope.result

    def fails(self, name: str, envelope: Envelope, error_type: str) -> dict[str, Any]:
        """The error of an envelope, which has to be of a type."""
        error = envelope.error
        if error is None or error["error_type"] != error_type:
            self.broken(name, f"the task ends as {error_type!r}: {PROGRAMS[name]}", envelope)
        return error
