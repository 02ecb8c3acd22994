"""What types tell of a task's parameters."""

from __future__ import annotations

import pytest

from capsule.frontend.spec import Parameter
from capsule_js.discovery import Module, discover_tasks

SDK = 'import { task } from "@capsule-run/sdk";\n'


def read(source: str, name: str = "main.ts") -> tuple[Parameter, ...] | None:
    return discover_tasks(Module(name, source.encode()), (), (), lambda: "[]")[0].parameters


@pytest.mark.parametrize(
    ("parameter", "types"),
    [
        ("n: number", ["integer", "number"]),
        ("n?: boolean", ["boolean"]),
        ("n: string", ["string"]),
        ("n: string[]", ["array"]),
        ("n: readonly number[]", ["array"]),
        ("n: [number, string]", ["array"]),
        ("n: Array<number>", ["array"]),
        ("n: Record<string, number>", ["object"]),
        ("n: { a: number }", ["object"]),
        ("n: Options", ["object"]),
        ("n: Level", ["integer", "number"]),
        ("n: number | null", ["integer", "null", "number"]),
        ("n: number | undefined", ["integer", "number"]),
        ("n: 'a' | 'b'", ["string"]),
        ("n: (boolean)", ["boolean"]),
        ("n = 3", ["integer", "number"]),
        ("n = -3", ["integer", "number"]),
        ("n = false", ["boolean"]),
        ("n = 'x'", ["string"]),
        ("n = compute()", []),
        ("n: unknown", []),
        ("n: any", []),
        ("n: number | Elsewhere", []),
        ("n: bigint", []),
        ("n: Loop", []),
        ("n", []),
    ],
)
def test_a_type_tells_the_types(parameter, types):
    [found] = read(
        "interface Options { a: number }\ntype Level = 1 | 2;\ntype Loop = Loop | number;\n"
        f"export function main({parameter}) {{ return n; }}"
    )
    assert (found.name, list(found.types)) == ("n", types)


def test_a_task_has_its_functions_parameters():
    number = ("integer", "number")
    expected = (Parameter("n", number), Parameter("rest", number, rest=True))
    arrow = 'export const main = task({ name: "main" }, async (n: number, ...rest: number[]) => n);'
    named = (
        "function work(this: unknown, n: number, ...rest: Array<number>) { return n; }\n"
        'export const main = task({ name: "main" }, work);'
    )
    assert read(SDK + arrow) == read(SDK + named) == expected


def test_what_is_no_function_in_sight_tells_nothing():
    assert (
        read(SDK + 'import { work } from "./work";\nexport const main = task({ name: "main" }, work);')
        is None
    )


def test_javascript_has_defaults_only():
    assert read("export const main = (n, m = 2) => n;", "main.js") == (
        Parameter("n"),
        Parameter("m", ("integer", "number")),
    )
    assert read("export const main = n => n;", "main.js") == (Parameter("n"),)


def test_a_pattern_has_a_number_for_a_name():
    assert read("export function main({ a }: { a: number }) {}") == (Parameter("argument 1", ("object",)),)
