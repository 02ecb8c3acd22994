"""Turns modules into the engine's program: the entries that `guest/README.md` describes.

Sources are compiled by the engine itself, in a sealed sandbox, since only it has the guest's Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path

from capsule.errors import BuildError, Location
from capsule.frontend.kept import read_kept, write_kept
from capsule.frontend.spec import Engine, Host, Json, Program
from capsule_python.modules import Closure
from capsule_python.packages import Distribution, Packages
from capsule_python.syntax import SyntaxProblem

_BATCH = 1 << 20
"""Characters of source in one call of the engine."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_PACKAGES_ROOT = "/app"


@dataclass(frozen=True, slots=True)
class Unit:
    """A source to compile: its dotted name, its ``__file__`` in the guest, its text."""

    name: str
    file: str
    text: str


def make_program(
    closure: Closure, packages: Packages | None, engine: Engine, host: Host, where: str = ""
) -> Program:
    """The program of a source, its own modules and its packages; the same inputs give an equal one.

    ``where`` is `capsule_python.dependencies.where_to_write`.

    Raises `BuildError` with the user's file and line for an own module that isn't Python.
    """
    distributions = packages.distributions if packages else ()
    entries, kinds = _own_entries(closure, engine, host)
    files: dict[str, bytes] = {}
    for distribution in distributions:
        assert packages is not None
        for name, entry, source, is_package in _package_entries(distribution, packages.site, engine, host):
            if name not in kinds:
                entries[f"module:{name}"] = entry
                entries[f"source:{name}"] = source
                kinds[name] = is_package
        # A `.py` that isn't Python to the guest is a template, or meant for another version: it can be read.
        unread = (module.file for module in distribution.modules if module.name not in kinds)
        for path in {*distribution.data, *unread}:
            files[path] = _read(packages.site / path, distribution)
    _add_package_namespaces(entries, kinds, engine, host)
    entries.update(_children(kinds))
    own = {module.name.partition(".")[0] for module in closure.modules}
    header = {
        "module": closure.entry.name,
        "own": sorted(own | {name.partition(".")[0] for name in closure.namespaces}),
        "packages": sorted({top for distribution in distributions for top in distribution.tops}),
    }
    main = entries.pop(f"module:{closure.entry.name}")
    entries["main"] = f"{json.dumps(header)}\n{main}"
    if where:
        entries["missing"] = where
    return Program(dict(sorted(entries.items())), dict(sorted(files.items())))


def _own_entries(closure: Closure, engine: Engine, host: Host) -> tuple[dict[str, str], dict[str, bool]]:
    units = []
    kinds: dict[str, bool] = {}
    for module in closure.modules:
        text = _decoded(module.source)
        if isinstance(text, SyntaxProblem):
            raise text.error(module.file)
        units.append(Unit(module.name, module.file, text))
        kinds[module.name] = module.package
    for name, folder in closure.namespaces.items():
        units.append(Unit(name, f"{folder}/__init__.py", ""))
        kinds[name] = True
    entries: dict[str, str] = {}
    compiled = compile_units(units, engine, host)
    for unit in units:
        code = compiled[unit.name]
        if isinstance(code, SyntaxProblem):
            raise code.error(unit.file)
        entries[f"module:{unit.name}"] = _entry(unit.file, code, kinds[unit.name])
        entries[f"source:{unit.name}"] = unit.text
    return entries, kinds


def _entry(file: str, code: str, package: bool) -> str:
    return f"{'package' if package else 'module'} {file}\n{code}"


def _decoded(source: bytes) -> str | SyntaxProblem:
    """A source's text, by its own declaration of an encoding."""
    try:
        return decode_source(source)
    except SyntaxError as error:
        return SyntaxProblem(error.msg, error.lineno or 1, error.text, error.offset)
    except (UnicodeDecodeError, LookupError) as error:
        line = source.count(b"\n", 0, error.start) + 1 if isinstance(error, UnicodeDecodeError) else 1
        return SyntaxProblem(f"the text can't be decoded: {error}", line, None, None)


def compile_units(units: Iterable[Unit], engine: Engine, host: Host) -> dict[str, str | SyntaxProblem]:
    """The code of each unit, as the engine's export ``compile`` gives it, by name."""
    compiled: dict[str, str | SyntaxProblem] = {}
    for batch in _batches(units):
        request = json.dumps(
            {"modules": [{"name": unit.name, "file": unit.file, "source": unit.text} for unit in batch]}
        )
        compiled.update(_answer(host.call_engine(engine, "compile", request), batch))
    return compiled


def _batches(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    batch: list[Unit] = []
    size = 0
    for unit in units:
        if batch and size + len(unit.text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(unit)
        size += len(unit.text)
    if batch:
        yield batch


def _answer(answer: str, batch: list[Unit]) -> Iterator[tuple[str, str | SyntaxProblem]]:
    """Reads an answer of the engine's, which has seen hostile sources."""
    try:
        modules = json.loads(answer)["modules"]
        if [module["name"] for module in modules] != [unit.name for unit in batch]:
            raise ValueError("other modules than were asked for")
        for unit, module in zip(batch, modules, strict=True):
            if "error" in module:
                yield unit.name, _problem(module["error"])
            elif not _BASE64.fullmatch(module["code"]):
                raise ValueError("code that is not base64")
            else:
                yield unit.name, module["code"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BuildError(
            f"the Python engine gave an unusable answer: {error}",
            hint="run `capsule cache clear` to have the engine built anew, and report this if it stays",
            location=Location(batch[0].file),
        ) from None


def _problem(error: Mapping[str, Json]) -> SyntaxProblem:
    def number(value: Json) -> int | None:
        return value if type(value) is int and 0 < value < 1 << 31 else None

    text = error["text"]
    return SyntaxProblem(
        str(error["message"])[:1000],
        number(error["line"]),
        text[:1000] if isinstance(text, str) else None,
        number(error["offset"]),
    )


def _package_entries(
    distribution: Distribution, site: Path, engine: Engine, host: Host
) -> Iterator[tuple[str, str, str, bool]]:
    """Name, entry, source and kind of each of a distribution's modules that the guest can compile."""
    units = []
    for module in distribution.modules:
        text = _decoded(_read(site / module.file, distribution))
        if isinstance(text, str):
            units.append(Unit(module.name, f"{_PACKAGES_ROOT}/{module.file}", text))
    codes = _pack(distribution, units, engine, host)
    kinds = {module.name: module.package for module in distribution.modules}
    for unit in units:
        if (code := codes.get(unit.name)) is not None:
            yield unit.name, _entry(unit.file, code, kinds[unit.name]), unit.text, kinds[unit.name]


def _read(path: Path, distribution: Distribution) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(
            f"a file of {distribution.name} {distribution.version} is gone from your cache: {error.strerror}",
            hint="run `capsule cache clear`, then run again",
        ) from None


def _pack(distribution: Distribution, units: list[Unit], engine: Engine, host: Host) -> dict[str, str]:
    """A distribution's compiled modules, compiled once for each content and engine.

    Left out are modules that aren't Python to the guest: templates, and code for other versions.
    """
    file = host.cache_folder("packages") / f"code-{distribution.digest}-{engine.key}.json"
    kept: dict[str, str] | None = read_kept(file)
    if kept is not None:
        return kept
    host.progress(f"compiling {distribution.name} {distribution.version} ({len(units)} modules)")
    compiled = compile_units(units, engine, host)
    codes = {name: code for name, code in compiled.items() if isinstance(code, str)}
    write_kept(file, codes)
    return codes


def _add_package_namespaces(
    entries: dict[str, str], kinds: dict[str, bool], engine: Engine, host: Host
) -> None:
    """Gives folders of modules without an ``__init__`` an entry: the guest finds modules by name only."""
    missing = set()
    for name in kinds:
        while name := name.rpartition(".")[0]:
            if name not in kinds:
                missing.add(name)
    units = [
        Unit(name, f"{_PACKAGES_ROOT}/{name.replace('.', '/')}/__init__.py", "") for name in sorted(missing)
    ]
    for name, code in compile_units(units, engine, host).items():
        assert isinstance(code, str)
        entries[f"module:{name}"] = _entry(
            f"{_PACKAGES_ROOT}/{name.replace('.', '/')}/__init__.py", code, True
        )
        kinds[name] = True


def _children(kinds: Mapping[str, bool]) -> Iterator[tuple[str, str]]:
    children: dict[str, list[str]] = {}
    for name, package in sorted(kinds.items()):
        parent, _, last = name.rpartition(".")
        if parent:
            children.setdefault(parent, []).append(f"{last}/" if package else last)
    for parent, names in children.items():
        yield f"children:{parent}", "\n".join(names)
