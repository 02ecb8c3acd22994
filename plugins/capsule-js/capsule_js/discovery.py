"""Which tasks a program declares, read from its text and never by running it on the host.

A task counts when ``task({...}, fn)`` runs with its module's top level. Only modules that name the SDK can
have one: a module that hands ``task`` on to others, or uses it in any other way than calling it there with
literals and constants, is for the engine to answer, which loads the program in a sealed sandbox and says
what was registered. Then the sandbox decides which tasks there are; what the text says of them stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from capsule.errors import BuildError, Location
from capsule.frontend.declared import Unreadable, declared_tasks
from capsule.frontend.spec import Parameter, TaskDeclaration
from capsule_js.bundle import SDK
from capsule_js.literals import UNDEFINED, Constants, NotLiteral, Reader, plain_options
from capsule_js.parameters import declared_types, parameters_of
from capsule_js.syntax import declared_names, is_scope, line, parse, string_value, text, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

_NO_MAIN_HINT = """add one to it:
    import { task } from "@capsule-run/sdk";

    export const main = task({ name: "main", compute: "LOW", ram: "64MB" }, () => "hello");"""
_LITERALS_HINT = 'call task({ name: "...", ... }, fn) at the top level of the module, with literal options'

# What lies between a module and an expression that is evaluated once, whenever the module is.
_PLAIN = frozenset(
    {
        "program",
        "export_statement",
        "lexical_declaration",
        "variable_declaration",
        "variable_declarator",
        "expression_statement",
        "assignment_expression",
        "parenthesized_expression",
        "as_expression",
        "satisfies_expression",
        "non_null_expression",
        "object",
        "pair",
        "array",
        "arguments",
        "call_expression",
        "await_expression",
    }
)


@dataclass(frozen=True, slots=True)
class Module:
    """An own module: its name relative to the project root, and its text."""

    name: str
    source: bytes


@dataclass(slots=True)
class _Findings:
    tasks: dict[str, TaskDeclaration] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)

    def add(
        self,
        name: str,
        options: Mapping[str, Any],
        location: Location,
        parameters: tuple[Parameter, ...] | None,
    ) -> None:
        other = self.tasks.get(name)
        if other is not None:
            raise BuildError(
                f"two tasks are named {name!r}: {other.location} and {location}",
                hint="give one of them another name",
                location=location,
            )
        self.tasks[name] = TaskDeclaration(name, plain_options(options), location, parameters)

    def note(self, what: str, reason: str, location: Location) -> None:
        self.unreadable.append(Unreadable(what, reason, location))


def discover_tasks(
    entry: Module, others: Iterable[Module], packages_with_tasks: Iterable[str], declared: Callable[[], str]
) -> tuple[TaskDeclaration, ...]:
    """The program's tasks, ``main`` first.

    ``entry`` is the source, ``others`` the own modules that it brings in; ``packages_with_tasks`` are files
    of packages that use the SDK. ``declared`` asks the engine's export of that name, and is called only
    when the text doesn't tell everything. Raises `BuildError`, with file and line.
    """
    findings = _Findings()
    modules = (entry, *others)
    for module in modules:
        if SDK.encode() in module.source:
            _ModuleReader(module, findings).read()
    for name in packages_with_tasks:
        findings.note("what tasks there are", f"the package file {name} uses {SDK}", Location(name))
    if "main" not in findings.tasks:
        _find_plain_main(entry, findings)
    tasks = findings.tasks
    if findings.unreadable:
        registered = declared_tasks(
            findings.unreadable[0],
            declared,
            entry=entry.name,
            files={module.name for module in modules},
            hint=_LITERALS_HINT,
        )
        tasks = {task.name: tasks.get(task.name) or _plain(task) for task in registered}
    main = tasks.pop("main", None)
    if main is None:
        raise BuildError('no task named "main"', hint=_NO_MAIN_HINT, location=Location(entry.name))
    return (main, *tasks.values())


def _plain(task: TaskDeclaration) -> TaskDeclaration:
    """The task as the SDK registered it, its options under the names that the host has for them."""
    return TaskDeclaration(task.name, plain_options(task.options), task.location)


class _ModuleReader:
    """Reads the declarations of one module."""

    def __init__(self, module: Module, findings: _Findings) -> None:
        self._module = module
        self._findings = findings
        self._task: set[str] = set()
        self._sdk: set[str] = set()
        self._bindings: set[int] = set()
        self._used: set[int] = set()
        self._types: Mapping[str, Node] | None = None

    def read(self) -> None:
        program = self._program = parse(self._module.name, self._module.source)
        if program.has_error:
            self._note(program, "this file", "it has syntax that capsule's own parser doesn't know")
            return
        self._find_names(program)
        reader = Reader(Constants(program))
        stack: list[tuple[Node, bool, frozenset[str]]] = [(program, True, frozenset())]
        while stack:
            node, plain, hidden = stack.pop()
            if node.id in self._bindings:
                continue
            if is_scope(node):
                hidden |= declared_names(node)
            if node.type == "call_expression":
                function = node.child_by_field_name("function")
                if function is not None and self._means_task(function, hidden):
                    self._used.add(function.id)
                    self._read_call(node, plain, reader)
            elif node.type == "string" and string_value(node) == SDK:
                self._note(node, f"`{SDK}`", "it is used in another way than an import at the top")
            elif node.id not in self._used:
                self._check_use(node, hidden)
            if node.id in self._used:
                continue
            plain = plain and node.type in _PLAIN
            stack.extend((child, plain, hidden) for child in reversed(node.children))

    def _find_names(self, program: Node) -> None:
        for statement in program.named_children:
            if statement.type == "import_statement":
                self._read_import(statement)
                continue
            inner = statement
            if statement.type == "export_statement":
                source = string_value(statement.child_by_field_name("source"))
                if source == SDK and any(child.type == "type" for child in statement.children):
                    self._bindings.add(statement.id)
                inner = statement.child_by_field_name("declaration") or statement
            if inner.type in ("lexical_declaration", "variable_declaration"):
                for declarator in inner.named_children:
                    self._read_require(declarator)

    def _read_import(self, statement: Node) -> None:
        source = string_value(statement.child_by_field_name("source"))
        required = next(
            (node for node in statement.named_children if node.type == "import_require_clause"), None
        )
        if required is not None and string_value(required.child_by_field_name("source")) == SDK:
            self._bindings.add(statement.id)
            self._sdk.update(text(node) for node in required.named_children if node.type == "identifier")
        if source != SDK:
            return
        self._bindings.add(statement.id)
        if any(child.type == "type" for child in statement.children):
            return
        clause = next((node for node in statement.named_children if node.type == "import_clause"), None)
        for node in clause.named_children if clause is not None else ():
            if node.type == "identifier":
                self._sdk.add(text(node))
            elif node.type == "namespace_import":
                self._sdk.update(text(child) for child in node.named_children)
            elif node.type == "named_imports":
                for specifier in node.named_children:
                    self._read_specifier(specifier)

    def _read_specifier(self, specifier: Node) -> None:
        name = specifier.child_by_field_name("name")
        if name is None or any(child.type == "type" for child in specifier.children):
            return
        local = text(specifier.child_by_field_name("alias") or name)
        imported = string_value(name) or text(name)
        if imported == "task":
            self._task.add(local)
        elif imported == "default":
            self._sdk.add(local)

    def _read_require(self, declarator: Node) -> None:
        """``const { task } = require(SDK)``, ``const sdk = require(SDK)``, ``... = require(SDK).task``."""
        name, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
        if name is None or value is None:
            return
        value = unwrapped(value)
        if value.type == "member_expression":
            whole, member = value.child_by_field_name("object"), value.child_by_field_name("property")
            if whole is not None and member is not None and text(member) == "task" and _is_require(whole):
                self._bindings.add(declarator.id)
                self._task.add(text(name))
            return
        if not _is_require(value):
            return
        if name.type == "identifier":
            self._sdk.add(text(name))
            self._bindings.add(declarator.id)
        elif name.type == "object_pattern":
            for part in name.named_children:
                if part.type == "shorthand_property_identifier_pattern" and text(part) == "task":
                    self._task.add("task")
                elif part.type == "pair_pattern":
                    key, local = part.child_by_field_name("key"), part.child_by_field_name("value")
                    if key is None or local is None or local.type != "identifier":
                        return
                    if text(key) == "task":
                        self._task.add(text(local))
                elif part.type != "shorthand_property_identifier_pattern":
                    return
            self._bindings.add(declarator.id)

    def _means_task(self, node: Node, hidden: frozenset[str]) -> bool:
        node = unwrapped(node)
        if node.type == "identifier":
            return text(node) in self._task - hidden
        if node.type != "member_expression":
            return False
        whole, member = node.child_by_field_name("object"), node.child_by_field_name("property")
        if whole is None or member is None or whole.type != "identifier":
            return False
        return text(whole) in self._sdk - hidden and text(member) == "task"

    def _check_use(self, node: Node, hidden: frozenset[str]) -> None:
        """Any use of the SDK's names but a call could declare tasks out of sight."""
        if node.type not in ("identifier", "shorthand_property_identifier"):
            return
        name = text(node)
        if name in self._task - hidden:
            if node.parent is None or not _is_type(node.parent):
                self._note(node, f"`{name}`", "it is used in another way than a call")
        elif name in self._sdk - hidden:
            parent = node.parent
            member = parent.child_by_field_name("property") if parent is not None else None
            if parent is None or parent.type != "member_expression" or member is None:
                if parent is None or not _is_type(parent):
                    self._note(node, f"`{name}`", "it is handed on as a whole")
            elif text(member) == "task":
                self._note(node, f"`{text(parent)}`", "it is used in another way than a call")

    def _read_call(self, call: Node, plain: bool, reader: Reader) -> None:
        location = self._location(call)
        if not plain:
            self._note(call, "a task", "it is declared in a function, a condition or a loop")
            return
        arguments = call.child_by_field_name("arguments")
        given = [
            node
            for node in (arguments.named_children if arguments is not None else ())
            if node.type != "comment"
        ]
        if len(given) != 2 and not any(node.type == "spread_element" for node in given):
            raise BuildError(
                f"task() takes its options and a function; here it gets {len(given)} arguments",
                hint='task({ name: "example" }, (value) => value)',
                location=location,
            )
        try:
            options = reader.value(given[0])
        except NotLiteral as reason:
            self._note(call, f"a task's options (line {line(given[0])})", str(reason))
            return
        if not isinstance(options, dict):
            raise BuildError(
                "the first argument of task() is an object with the task's options",
                hint='task({ name: "example" }, (value) => value)',
                location=location,
            )
        name = options.get("name", UNDEFINED)
        if not isinstance(name, str) or not name:
            shown = "has no name" if name is UNDEFINED else f"is named {json.dumps(name)[:60]}"
            raise BuildError(
                f"this task {shown}; a task's name is a text that is not empty",
                hint='task({ name: "example", ... }, fn)',
                location=location,
            )
        self._findings.add(name, options, location, self._parameters(given[1]) if len(given) == 2 else None)

    def _parameters(self, function: Node) -> tuple[Parameter, ...] | None:
        """Those of a function that is written out, or declared at the top level under the name given."""
        function = unwrapped(function)
        if function.type == "identifier":
            named = _top_level_values(self._program).get(text(function))
            if named is None:
                return None
            function = unwrapped(named)
        if self._types is None:
            self._types = declared_types(self._program)
        return parameters_of(function, self._types)

    def _location(self, node: Node) -> Location:
        return Location(self._module.name, line(node))

    def _note(self, node: Node, what: str, reason: str) -> None:
        self._findings.note(what, reason, self._location(node))


def _is_require(node: Node) -> bool:
    node = unwrapped(node)
    function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    if node.type != "call_expression" or function is None or arguments is None or text(function) != "require":
        return False
    return arguments.named_child_count == 1 and string_value(arguments.named_child(0)) == SDK


def _is_type(node: Node) -> bool:
    return node.type in ("type_query", "nested_type_identifier", "nested_identifier", "generic_type")


def _find_plain_main(entry: Module, findings: _Findings) -> None:
    """An exported function ``main`` of the source is a task without options."""
    program = parse(entry.name, entry.source)
    functions: dict[str, Node] = {}
    exported: Node | None = None
    for statement in program.named_children:
        declaration: Node | None = statement
        if _exports(statement):
            declaration = statement.child_by_field_name("declaration")
        if declaration is not None:
            for name, value in _declared_values(declaration):
                if name == "main":
                    functions[name] = value
                    if _exports(statement) and not _is_default(statement):
                        exported = statement
        if declaration is not None:
            continue
        if statement.child_by_field_name("source") is not None and b"*" in (statement.text or b""):
            exported = statement
        for clause in statement.named_children:
            for specifier in clause.named_children if clause.type == "export_clause" else ():
                outer = specifier.child_by_field_name("alias") or specifier.child_by_field_name("name")
                if outer is not None and text(outer) == "main":
                    exported = statement
                    if specifier.child_by_field_name("alias") is not None:
                        functions.clear()
    if exported is None:
        if b"exports" in entry.source and b"main" in entry.source:
            findings.note("`main`", "it may be among the CommonJS exports", Location(entry.name))
        return
    location = Location(entry.name, line(exported))
    main = functions.get("main")
    if main is not None and (main.type.endswith("function_declaration") or _is_function(main)):
        findings.add("main", {}, location, parameters_of(main, declared_types(program)))
    else:
        findings.note("`main`", "it is exported, and not as a plain function", location)


def _top_level_values(program: Node) -> dict[str, Node]:
    """Functions and variables that are declared at the top level, by name."""
    found: dict[str, Node] = {}
    for statement in program.named_children:
        declaration = statement.child_by_field_name("declaration") if _exports(statement) else statement
        if declaration is not None:
            found.update(_declared_values(declaration))
    return found


def _exports(statement: Node) -> bool:
    return statement.type == "export_statement"


def _is_default(statement: Node) -> bool:
    return any(child.type == "default" for child in statement.children)


def _is_function(value: Node) -> bool:
    return unwrapped(value).type in ("arrow_function", "function_expression")


def _declared_values(declaration: Node) -> Iterator[tuple[str, Node]]:
    if declaration.type in ("function_declaration", "generator_function_declaration"):
        name = declaration.child_by_field_name("name")
        if name is not None:
            yield text(name), declaration
    elif declaration.type in ("lexical_declaration", "variable_declaration"):
        for declarator in declaration.named_children:
            name, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
            if name is not None and value is not None:
                yield text(name), value
