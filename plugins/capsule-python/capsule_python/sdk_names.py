"""Under which names the modules of a program know the SDK's ``task``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from capsule_python.modules import SDK, Closure, Module
from capsule_python.syntax import Import


@dataclass(frozen=True, slots=True)
class SdkNames:
    """What a module calls the SDK's ``task``: names of it, and names of modules that have it."""

    task: set[str]
    modules: dict[str, set[str]]

    def means_task(self, node: ast.AST) -> bool:
        """Whether an expression is the SDK's ``task``."""
        match node:
            case ast.Name(id=name):
                return name in self.task
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                return attribute in self.modules.get(name, ())
            case _:
                return False


def sdk_names(closure: Closure) -> dict[str, SdkNames]:
    """What each own module calls ``task``, also through own modules that pass it on."""
    by_name = {module.name: module for module in closure.modules}
    names = {name: SdkNames(set(), {}) for name in by_name}
    changed = True
    while changed:
        changed = False
        for module in closure.modules:
            own = names[module.name]
            before = len(own.task), sum(map(len, own.modules.values()))
            for imported in module.parsed.imports:
                _note_import(module, imported, own, names)
            changed |= before != (len(own.task), sum(map(len, own.modules.values())))
    return names


def _note_import(module: Module, imported: Import, own: SdkNames, names: Mapping[str, SdkNames]) -> None:
    target = module.absolute(imported)
    if target is None:
        return
    exported = {"task"} if target == SDK else names[target].task if target in names else set()
    if not imported.names:
        # `import a.b` binds `a`, and `import a.b as x` binds the inner one.
        local = imported.alias or target.partition(".")[0]
        meant = target if imported.alias else local
        has = {"task"} if meant == SDK else names[meant].task if meant in names else set()
        if has:
            own.modules.setdefault(local, set()).update(has)
        return
    for wanted, local in imported.names:
        if wanted == "*":
            own.task.update(exported)
        elif wanted in exported:
            own.task.add(local)
        elif (submodule := f"{target}.{wanted}") in names and names[submodule].task:
            own.modules.setdefault(local, set()).update(names[submodule].task)
