"""What annotations tell of a task's parameters."""

from __future__ import annotations

import ast

import pytest

from capsule.frontend.spec import Parameter
from capsule_python.parameters import parameters_of, rebound_names


def read(source: str) -> tuple[Parameter, ...]:
    tree = ast.parse(source)
    [function] = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return parameters_of(function, rebound_names(tree))


@pytest.mark.parametrize(
    ("annotation", "types"),
    [
        ("int", ["integer"]),
        ("float", ["number"]),
        ("bool", ["boolean"]),
        ("str", ["string"]),
        ("list", ["array"]),
        ("list[int]", ["array"]),
        ("tuple[int, ...]", ["array"]),
        ("typing.List[str]", ["array"]),
        ("dict[str, int]", ["object"]),
        ("int | None", ["integer", "null"]),
        ("Optional[int]", ["integer", "null"]),
        ("typing.Optional[list[int]]", ["array", "null"]),
        ("Union[int, str, None]", ["integer", "null", "string"]),
        ("'int | None'", ["integer", "null"]),
        ("Annotated[int, 'positive']", ["integer"]),
        ("Literal['a', 'b']", ["string"]),
        ("Literal[1, True, None]", ["boolean", "integer", "null"]),
        ("int | Point", []),
        ("Point", []),
        ("Any", []),
        ("object", []),
        ("'not ( valid'", []),
        ("Optional[" * 50 + "int" + "]" * 50, []),
    ],
)
def test_an_annotation_tells_the_types(annotation, types):
    [parameter] = read(f"def main(n: {annotation}): pass")
    assert (parameter.name, list(parameter.types), parameter.rest) == ("n", types, False)


def test_parameters_are_those_that_words_can_fill():
    found = read("async def main(a, /, b: int = 1, *rest: float, key: int, **more: int): pass")
    assert found == (Parameter("a"), Parameter("b", ("integer",)), Parameter("rest", ("number",), rest=True))


@pytest.mark.parametrize(
    "above", ["class int: pass", "int = str", "from units import int", "from typing import Any as int"]
)
def test_a_name_that_the_module_gives_another_meaning_tells_nothing(above):
    assert read(f"{above}\ndef main(n: int): pass") == (Parameter("n"),)


def test_a_name_from_typing_keeps_its_meaning():
    assert read("from typing import List\ndef main(n: List[int]): pass") == (Parameter("n", ("array",)),)
