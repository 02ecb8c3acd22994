"""Which contract a component speaks that brings no manifest, and whether this host can keep it.

Everything is read off the types of its imports and exports, before anything of it runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from capsule.artifact.foreign import Contract
from capsule.errors import ArtifactError
from capsule.runtime.engine import engine
from capsule.runtime.export_types import describe
from capsule.runtime.foreign import host_api
from capsule.runtime.imports import OFFERED, is_wasi, why_not

if TYPE_CHECKING:
    from wasmtime.component import Component

COMMAND: Final = re.compile(r"wasi:cli/run@0\.2\.[0-9]+")

EXPORTED: Final[Mapping[Contract, str]] = {
    Contract.HOST: "func(string) -> result<string, string>",
    Contract.COMMAND: "func() -> result<_, _>",
}
"""What ``run`` has to be in the interface that a component of each contract exports."""

MOST_SHOWN: Final = 20
LONGEST: Final = 400

HINT: Final = (
    "capsule runs artifacts of 'capsule build --export', components that export capsule:host/task-runner, "
    "and commands that export wasi:cli/run@0.2"
)


def recognise(component: Component, name: str) -> Contract:
    """The contract of a component without a manifest.

    Raises `ArtifactError` for one that speaks none, or imports what is not offered: all of it is named.
    """
    kind = component.type
    exports = kind.exports(engine())
    contract, interface = _contract(exports, name)
    exported: Any = exports[interface].ty
    function = exported.exports(engine()).get("run")
    found = "nothing" if function is None else describe(function.ty)
    if found != EXPORTED[contract]:
        raise ArtifactError(
            f"{name} exports {interface} with {found} as its 'run', and that is {EXPORTED[contract]}"
        )
    problems = _import_problems(kind.imports(engine()), contract)
    if problems:
        raise ArtifactError(
            f"{name} imports what this host does not offer: {_listed(problems)}",
            hint=f"capsule offers {OFFERED}"
            + (f", and {host_api.INTERFACE}" if contract is Contract.HOST else ""),
        )
    return contract


def _contract(exports: Mapping[str, Any], name: str) -> tuple[Contract, str]:
    from wasmtime.component._types import ComponentInstanceType

    for exported, item in exports.items():
        if not isinstance(item.ty, ComponentInstanceType):
            continue
        if exported == Contract.HOST:
            return Contract.HOST, exported
        if COMMAND.fullmatch(exported):
            return Contract.COMMAND, exported
    hint = HINT
    if any(exported.startswith("wasi:cli/run@0.3") for exported in exports):
        hint = f"WASI 0.3 is not supported yet: build it for WASI 0.2. {HINT}"
    raise ArtifactError(
        f"{name} is a component without a capsule manifest, and exports nothing that can be run: it has "
        f"{_listed(sorted(exports)) or 'no exports'}",
        hint=hint,
    )


def _import_problems(imports: Mapping[str, Any], contract: Contract) -> list[str]:
    problems = []
    for imported, item in sorted(imports.items()):
        if imported == host_api.INTERFACE and contract is Contract.HOST:
            problems += _api_problems(item.ty)
        elif not is_wasi(imported):
            problems.append(why_not(imported))
    return problems


def _api_problems(interface: Any) -> list[str]:
    from wasmtime.component._types import ComponentInstanceType

    if not isinstance(interface, ComponentInstanceType):
        return [f"{host_api.INTERFACE} as {describe(interface)}"]
    problems = []
    for name, item in interface.exports(engine()).items():
        wanted = host_api.TYPES.get(name)
        if wanted is None and name not in host_api.TYPE_NAMES:
            problems.append(f"{name} of {host_api.INTERFACE}")
        elif wanted is not None and describe(item.ty) != wanted:
            problems.append(f"{name} of {host_api.INTERFACE} as {describe(item.ty)}")
    return problems


def _listed(names: list[str]) -> str:
    shown = [each[:LONGEST] + "..." * (len(each) > LONGEST) for each in names[:MOST_SHOWN]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
