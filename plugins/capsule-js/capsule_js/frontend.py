"""The JavaScript frontend: what the host asks, answered by the modules beside this one."""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import json
import shlex
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.errors import BuildError, ConfigError, Location
from capsule.frontend.spec import (
    Check,
    Diagnostic,
    Engine,
    EngineProgram,
    Host,
    Inputs,
    Json,
    OwnComponent,
    Program,
    Source,
    TaskDeclaration,
)

if TYPE_CHECKING:
    from capsule.frontend.tracking import Lookups
    from capsule_js.bundle import Bundle
    from capsule_js.toolchain import ManagedToolchain
    from capsule_js.watch import Record

SETTINGS = ("engine",)
"""The keys of ``[javascript]``."""

_BUNDLE = "bundle"
_MODULES = "modules"
_REMEMBERED = 64


class JavaScriptFrontend:
    """Builds TypeScript and JavaScript files into programs of the JavaScript engine."""

    name = "javascript"
    suffixes: tuple[str, ...] = (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx")

    @property
    def option_names(self) -> Mapping[str, str]:
        """How sources write the options of a task."""
        from capsule_js.literals import option_names

        return option_names()

    def __init__(self) -> None:
        self.version = importlib.metadata.version("capsule-js")
        self._records: dict[str, Record] = {}
        # The last bundle: making the inputs may have made the one that compile is then asked for.
        self._made: tuple[Inputs, Bundle] | None = None

    def inputs(self, source: Source, host: Host) -> Inputs:
        """The project's files in the bundle, and the bundle's digest.

        Which files there are is known only to the bundler. What it was last made of is remembered, so that
        it runs only when something has changed. Packages and settings decide the result through the bundle.
        """
        from capsule_js.bundle import make_bundle
        from capsule_js.engines import chosen_kind
        from capsule_js.watch import Record, content_digest, save, watch

        _check_place(source)
        _check_settings(source.settings)
        kind = chosen_kind(source.settings)
        identity = self._identity(source)
        file = host.cache_folder("bundles") / f"{identity}.json"
        record = self._recall(identity, file)
        if record is not None and (files := record.unchanged(source.root)) is not None:
            return self._inputs(source, record, files)
        esbuild = self._toolchain().esbuild(host.progress)
        started = time.time_ns()
        bundle = make_bundle(source.path, source.root, esbuild, unsupported=kind.unsupported)
        record = Record(
            bundle=content_digest(bundle.text.encode(), bundle.source_map),
            own={name: content_digest(content) for name, content in bundle.own.items()},
            kept=bundle.kept,
            packages_with_tasks=bundle.packages_with_tasks,
            notes=bundle.notes,
            watch=watch(bundle, source.root, started),
        )
        if record.watch is not None:
            self._remember(identity, record)
            save(file, record)
        inputs = self._inputs(source, record, bundle.own)
        self._made = (inputs, bundle)
        return inputs

    def toolchain(self, source: Source) -> Mapping[str, str]:
        """The versions of the tools."""
        from capsule_js.engines import chosen_kind
        from capsule_js.toolchain import esbuild_version

        key = chosen_kind(source.settings).key()
        return {"capsule-js": self.version, "esbuild": esbuild_version(), "engine": key}

    def lookups(self, source: Source, inputs: Inputs, host: Host) -> Lookups | None:
        """What the bundle was made of besides the project's files; None when nobody noted it in time."""
        record = self._records.get(self._identity(source))
        if record is None or record.watch is None or record.own.keys() != inputs.files.keys():
            return None
        return record.watch.lookups()

    def discover(self, source: Source, inputs: Inputs, host: Host) -> tuple[TaskDeclaration, ...]:
        """The program's tasks; what the text doesn't tell is asked of the engine."""
        from capsule_js.discovery import Module, discover_tasks

        def declared() -> str:
            program = self._program(source, inputs, host)
            return host.call_engine(self.engine(source), "declared", program=program)

        modules = json.loads(inputs.digests[_MODULES])
        own = {
            name: Module(name, inputs.files[name])
            for name in modules["kept"]
            if name.lower().endswith(self.suffixes)
        }
        entry = own.pop(source.name)
        return discover_tasks(entry, own.values(), modules["packages_with_tasks"], declared)

    def compile(
        self, source: Source, inputs: Inputs, host: Host, *, snapshot: bool
    ) -> EngineProgram | OwnComponent:
        """The engine's program; with ``snapshot``, a component in which it is loaded already."""
        from capsule_js.engines import chosen_kind

        if snapshot and not chosen_kind(source.settings).snapshots:
            raise BuildError(
                "--snapshot is not there for StarlingMonkey: each program would be 20 MB that take a minute "
                "to build and compile, and its top level could not ask for the time",
                hint='leave --snapshot out, or take [javascript] engine = "quickjs"',
                location=Location("capsule.toml"),
            )
        program = self._program(source, inputs, host)
        self._made = None
        if snapshot:
            from capsule_js.engine import build_snapshot

            toolchain = self._toolchain()
            node, modules = toolchain.node(host.progress), toolchain.modules(host.progress)
            host.progress("running the program's top level")
            entries = program.entries
            ram = getattr(host, "ram", None)
            return OwnComponent(build_snapshot(node, modules, entries["bundle"], entries["frames"], ram))
        return EngineProgram(self.engine(source), program)

    def engine(self, source: Source) -> Engine:
        """The JavaScript engine that the project asks for."""
        from capsule_js.engines import chosen_kind

        return chosen_kind(source.settings).engine(self._toolchain())

    def doctor(self) -> Iterable[Check]:
        """Is everything there that builds need."""
        from capsule_js.doctor import checks

        return checks()

    def typecheck(self, source: Source, host: Host) -> tuple[Diagnostic, ...]:
        """What the TypeScript compiler finds wrong; nothing of it stops a build."""
        from capsule_js.typecheck import typecheck

        return tuple(
            Diagnostic(found.text, None if found.file is None else Location(found.file, found.line))
            for found in typecheck(source, self._toolchain(), host.progress)
        )

    def _toolchain(self) -> ManagedToolchain:
        from capsule_js.toolchain import ManagedToolchain

        return ManagedToolchain()

    def _identity(self, source: Source) -> str:
        from capsule_js.engines import chosen_kind

        engine = chosen_kind(source.settings).name
        parts = "\0".join((_recipe(), self.version, engine, str(source.root), str(source.path)))
        return hashlib.sha256(parts.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def _recall(self, identity: str, file: Path) -> Record | None:
        from capsule_js.watch import load

        record = self._records.get(identity)
        if record is None:
            record = load(file)
            if record is not None:
                self._remember(identity, record)
        return record

    def _remember(self, identity: str, record: Record) -> None:
        if len(self._records) >= _REMEMBERED:
            self._records.clear()
        self._records[identity] = record

    def _inputs(self, source: Source, record: Record, files: Mapping[str, bytes]) -> Inputs:
        modules = {"kept": record.kept, "packages_with_tasks": record.packages_with_tasks}
        return Inputs(
            files=files,
            digests={_BUNDLE: record.bundle, _MODULES: json.dumps(modules)},
            toolchain=self.toolchain(source),
            notes=record.notes,
        )

    def _program(self, source: Source, inputs: Inputs, host: Host) -> Program:
        from capsule_js.bundle import make_bundle
        from capsule_js.engines import chosen_kind
        from capsule_js.frametable import frame_table
        from capsule_js.watch import content_digest

        made = self._made
        if made is not None and made[0] is inputs:
            bundle = made[1]
        else:
            esbuild = self._toolchain().esbuild(host.progress)
            unsupported = chosen_kind(source.settings).unsupported
            bundle = make_bundle(source.path, source.root, esbuild, unsupported=unsupported)
            digest = content_digest(bundle.text.encode(), bundle.source_map)
            if bundle.own != inputs.files or digest != inputs.digests[_BUNDLE]:
                raise BuildError(
                    "the program changed while it was being built",
                    hint="run again",
                    location=Location(source.name),
                )
            self._made = (inputs, bundle)
        return Program({"bundle": bundle.text, "frames": frame_table(bundle.source_map, bundle.shifts)})


@lru_cache(maxsize=1)
def _recipe() -> str:
    """What decides a bundle besides its files."""
    from capsule_js.bundle import FORMAT
    from capsule_js.engine import builtins
    from capsule_js.toolchain import esbuild_version

    return f"{FORMAT} {esbuild_version()} {' '.join(sorted(builtins()))}"


def _check_place(source: Source) -> None:
    if not source.path.is_relative_to(source.root):
        raise BuildError(
            f"the source lies outside the project root {source.root}",
            hint="move it into the project",
            location=Location(str(source.path)),
        )


def _check_settings(settings: Mapping[str, Json]) -> None:
    for key in settings:
        if key == "node":
            from capsule_js.node import VARIABLE

            named = settings[key] if isinstance(settings[key], str) else "/usr/bin/node"
            raise ConfigError(
                "[javascript] node names a program that runs on this machine, and no project chooses one",
                hint=f"remove it; if you trust it: export {VARIABLE}={shlex.quote(named)}",
                location=Location("capsule.toml"),
            )
        if key not in SETTINGS:
            near = difflib.get_close_matches(key, SETTINGS, 1)
            raise ConfigError(
                f"[javascript] has no key {key[:60]!r}",
                hint=f"did you mean {near[0]}?" if near else f"it has {', '.join(SETTINGS)}",
                location=Location("capsule.toml"),
            )
