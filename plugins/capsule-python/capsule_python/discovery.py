"""Which tasks a program declares, read from its modules' text and never by running them on the host.

A task counts when its module runs while the program is loaded: the source itself, and the own modules
that it imports outside functions. Options must be literals or module constants (see `literals`); what
isn't is asked of the engine, which loads the program in a sealed sandbox and says what was registered.
Then the sandbox decides which tasks there are; what the text says about them stays as it is.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from capsule.errors import BuildError, Location
from capsule.frontend.declared import Unreadable, declared_tasks
from capsule.frontend.spec import TaskDeclaration
from capsule_python.literals import Constants, NotLiteral, evaluate, find_constants
from capsule_python.modules import Closure, Module
from capsule_python.parameters import parameters_of, rebound_names
from capsule_python.sdk_names import SdkNames, sdk_names

_NO_MAIN_HINT = """add a task to it:
    from capsule import task

    @task(name="main", compute="LOW", ram="64MB")
    def main() -> str:
        return "hello\""""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the text tells: tasks in the order in which they get registered, and what can't be read."""

    tasks: tuple[TaskDeclaration, ...]
    unreadable: tuple[Unreadable, ...]


def discover_tasks(closure: Closure, declared: Callable[[], str]) -> tuple[TaskDeclaration, ...]:
    """The program's tasks, ``main`` first; there always is a ``main``.

    ``declared`` asks the engine's export of that name; it is called only when the text doesn't tell
    everything. Raises `BuildError`, with file and line.
    """
    findings = read_tasks(closure)
    tasks = {task.name: task for task in findings.tasks}
    if findings.unreadable:
        registered = declared_tasks(
            findings.unreadable[0],
            declared,
            entry=closure.entry.file,
            files={module.file for module in closure.modules},
            hint="declare tasks with @task(...) at the top level, with literal options",
        )
        tasks = {task.name: tasks.get(task.name, task) for task in registered}
    main = tasks.pop("main", None)
    if main is None:
        first = next(iter(tasks.values()), None)
        if first is None:
            raise BuildError(
                'no task named "main"', hint=_NO_MAIN_HINT, location=Location(closure.entry.file)
            )
        main = replace(first, name="main")
    return (main, *tasks.values())


def read_tasks(closure: Closure) -> Findings:
    """What the text of the modules tells. Raises `BuildError` for what is wrong in any case."""
    names = sdk_names(closure)
    found: dict[str, _Found] = {}
    unreadable: list[Unreadable] = []
    declared: dict[str, list[_Found]] = {}
    files: dict[str, str] = {}
    for module, after, until in closure.stretches():
        # A file that is imported under two names is one declaration of its tasks all the same.
        if files.setdefault(module.file, module.name) != module.name:
            continue
        if module.name not in declared:
            reader = _ModuleReader(module, names[module.name])
            declared[module.name] = list(reader.read())
            unreadable.extend(reader.unreadable)
        for task in declared[module.name]:
            if after < (task.declaration.location.line or 0) <= until:
                _add(found, task, unreadable)
    if "main" not in found:
        _add_plain_main(closure.entry, found, unreadable)
    return Findings(tuple(task.declaration for task in found.values()), tuple(unreadable))


@dataclass(frozen=True, slots=True)
class _Found:
    declaration: TaskDeclaration
    conditional: bool


def _add(found: dict[str, _Found], task: _Found, unreadable: list[Unreadable]) -> None:
    name, location = task.declaration.name, task.declaration.location
    other = found.get(name)
    if other is None:
        found[name] = task
        return
    if not (task.conditional or other.conditional):
        raise BuildError(
            f"two tasks are named {name!r}: {other.declaration.location} and {location}",
            hint="give one of them another name: @task(name=...)",
            location=location,
        )
    del found[name]
    what = f"the declaration of task {name!r}"
    unreadable.append(Unreadable(what, f"there are two, here and at {other.declaration.location}", location))


def _add_plain_main(entry: Module, found: dict[str, _Found], unreadable: list[Unreadable]) -> None:
    """A function ``main`` of the source is a task without options also when nothing decorates it."""
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    others = []
    for node, _ in _top_level(entry.parsed.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name == "main" and not node.decorator_list:
                functions.append(node)
            elif node.name == "main":
                others.append(node.lineno)
        elif "main" in _bound_names(node):
            others.append(getattr(node, "lineno", 1))
    if others:
        location = Location(entry.file, others[0])
        unreadable.append(
            Unreadable("`main`", "it is bound to something else than a plain function", location)
        )
    elif functions:
        location = Location(entry.file, functions[0].lineno)
        assert entry.parsed.tree is not None
        parameters = parameters_of(functions[0], rebound_names(entry.parsed.tree))
        found["main"] = _Found(TaskDeclaration("main", {}, location, parameters), conditional=False)


def _bound_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield (alias.asname or alias.name).partition(".")[0]
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


class _ModuleReader:
    """Reads the declarations of one module."""

    def __init__(self, module: Module, names: SdkNames) -> None:
        self._module = module
        self._names = names
        self._constants: Constants | None = None
        self._rebound: frozenset[str] | None = None
        self.unreadable: list[Unreadable] = []

    def read(self) -> Iterator[_Found]:
        tree = self._module.parsed.tree
        if tree is None:
            problem = self._module.parsed.problem
            line = problem.line if problem else None
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            reason = f"it isn't Python as the host's {version} has it"
            self.unreadable.append(Unreadable("this file", reason, Location(self._module.file, line)))
            return
        if not self._names.task and not self._names.modules:
            return
        decorators: set[int] = set()
        for node, conditional in _top_level(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for decorator in node.decorator_list:
                    reference = decorator.func if isinstance(decorator, ast.Call) else decorator
                    if self._names.means_task(reference):
                        decorators.add(id(reference))
                        task = self._declaration(node, decorator)
                        if task is not None:
                            yield _Found(task, conditional)
        self._check_other_uses(tree, decorators)

    def _declaration(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, decorator: ast.expr
    ) -> TaskDeclaration | None:
        location = Location(self._module.file, decorator.lineno)
        options: dict[str, Any] = {}
        if isinstance(decorator, ast.Call):
            if decorator.args:
                raise BuildError(
                    "@task takes its options by name only",
                    hint=f'write @task(name="{function.name}", ...)',
                    location=location,
                )
            before = len(self.unreadable)
            for keyword in decorator.keywords:
                self._read_option(function.name, keyword, options)
            if len(self.unreadable) > before:
                return None
        name = options.pop("name", function.name)
        if not isinstance(name, str) or not name:
            raise BuildError(
                f"a task's name is text, not {name!r}",
                hint=f'write @task(name="{function.name}")',
                location=location,
            )
        if self._rebound is None:
            assert self._module.parsed.tree is not None
            self._rebound = rebound_names(self._module.parsed.tree)
        return TaskDeclaration(name, options, location, parameters_of(function, self._rebound))

    def _read_option(self, function: str, keyword: ast.keyword, options: dict[str, Any]) -> None:
        location = Location(self._module.file, keyword.value.lineno)
        if keyword.arg is None:
            hint = 'write the options out, for example @task(compute="LOW", ram="64MB")'
            what = f"the options of task {function!r}"
            self.unreadable.append(Unreadable(what, "they are unpacked from a dictionary", location, hint))
            return
        if self._constants is None:
            assert self._module.parsed.tree is not None
            self._constants = find_constants(self._module.parsed.tree)
        try:
            value = evaluate(keyword.value, self._constants)
        except NotLiteral as problem:
            example = f"{keyword.arg}={_EXAMPLES.get(keyword.arg, '...')}"
            hint = f"write {keyword.arg} as a literal, for example {example}"
            what = f"the option {keyword.arg!r} of task {function!r}"
            self.unreadable.append(Unreadable(what, problem.reason, location, hint))
            return
        # As in the SDK: None is what an option has that isn't given.
        if value is not None:
            options[keyword.arg] = value

    def _check_other_uses(self, tree: ast.Module, decorators: set[int]) -> None:
        """Uses of ``task`` that can register something: reported as unreadable, or as an error."""
        stack: list[tuple[ast.AST, str]] = [(node, "") for node in tree.body]
        while stack:
            node, scope = stack.pop()
            if self._names.means_task(node):
                if id(node) not in decorators and not scope:
                    location = Location(self._module.file, getattr(node, "lineno", None))
                    reason = "it is used in another way than as a function's decorator"
                    self.unreadable.append(Unreadable("`task`", reason, location))
                continue
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                for decorator in node.decorator_list:
                    reference = decorator.func if isinstance(decorator, ast.Call) else decorator
                    if self._names.means_task(reference) and id(reference) not in decorators:
                        self._refuse_nested(node, decorator, scope)
                    stack.append((decorator, scope))
                inside = "class" if isinstance(node, ast.ClassDef) else "function"
                children = [child for child in ast.iter_child_nodes(node) if child not in node.decorator_list]
                stack.extend((child, inside) for child in children)
            elif isinstance(node, ast.Lambda):
                stack.extend((child, "function") for child in ast.iter_child_nodes(node))
            else:
                stack.extend((child, scope) for child in ast.iter_child_nodes(node))

    def _refuse_nested(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, decorator: ast.expr, scope: str
    ) -> None:
        location = Location(self._module.file, decorator.lineno)
        if isinstance(node, ast.ClassDef):
            raise BuildError(
                f"@task decorates a function, and {node.name!r} is a class",
                hint="decorate a function that uses the class",
                location=location,
            )
        raise BuildError(
            f"the task {node.name!r} is declared inside a {scope}",
            hint="move it to the top level of the module, so that every sandbox can find it",
            location=location,
        )


_EXAMPLES = {
    "name": '"analyze"',
    "compute": '"LOW"',
    "ram": '"512MB"',
    "timeout": '"30s"',
    "max_retries": "3",
    "allowed_files": '["./data"]',
    "allowed_hosts": '["api.example.com"]',
    "env_variables": '["API_KEY"]',
    "secrets": '["OPENAI_KEY"]',
    "tools": '["search"]',
}


def _top_level(tree: ast.Module | None) -> Iterator[tuple[ast.AST, bool]]:
    """The statements that run with the module, and whether something decides if they do."""
    stack: list[tuple[ast.AST, bool]] = [(node, False) for node in reversed(tree.body)] if tree else []
    while stack:
        node, conditional = stack.pop()
        yield node, conditional
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            continue
        inside = conditional or not isinstance(node, (ast.With, ast.AsyncWith))
        stack.extend((child, inside) for child in reversed(list(ast.iter_child_nodes(node))))
