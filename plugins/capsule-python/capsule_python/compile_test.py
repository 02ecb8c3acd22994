import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.errors import BuildError
from capsule.frontend.spec import Engine, Program
from capsule_python import compile as compiling
from capsule_python.compile import Unit, compile_units, make_program
from capsule_python.modules import find_modules
from capsule_python.packages import Distribution, PackageModule, Packages
from capsule_python.syntax import SyntaxProblem
from capsule_python.tree import FilesTree

ENGINE = Engine("python", "0", "0" * 32, lambda progress: b"")


class AnsweringHost:
    """Stands for an engine that was taken over by the source that it compiles."""

    def __init__(self, answer: Callable[[list[dict[str, str]]], str]) -> None:
        self._answer = answer
        self.requests: list[list[dict[str, str]]] = []

    def progress(self, message: str) -> None:
        """Says nothing."""

    def call_engine(
        self, engine: Engine, export: str, *arguments: str, program: Program | None = None
    ) -> str:
        self.requests.append(json.loads(arguments[0])["modules"])
        return self._answer(self.requests[-1])

    def cache_folder(self, name: str) -> Path:
        raise NotImplementedError


def honest(modules: list[dict[str, str]]) -> str:
    return json.dumps({"modules": [{"name": module["name"], "code": "AAAA"} for module in modules]})


UNITS = [Unit("a", "a.py", "x = 1"), Unit("b", "b.py", "y = ")]
PROBLEM = {"message": "bad", "line": 1, "text": "y = ", "offset": 5, "file": "b.py"}


def test_code_and_problems_are_told_apart() -> None:
    answer = {"modules": [{"name": "a", "code": "AAAA"}, {"name": "b", "error": PROBLEM}]}
    compiled = compile_units(UNITS, ENGINE, AnsweringHost(lambda modules: json.dumps(answer)))
    assert compiled == {"a": "AAAA", "b": SyntaxProblem("bad", 1, "y = ", 5)}


@pytest.mark.parametrize(
    "modules",
    [
        [],
        [{"name": "a", "code": "AAAA"}],
        [{"name": "b", "code": "AAAA"}, {"name": "a", "code": "AAAA"}],
        [{"name": "a", "code": "AAAA"}, {"name": "main", "code": "AAAA"}],
        [{"name": "a", "code": "AAAA\nmodule x"}, {"name": "b", "code": "AAAA"}],
        [{"name": "a", "code": 3}, {"name": "b", "code": "AAAA"}],
        [{"name": "a", "error": 3}, {"name": "b", "code": "AAAA"}],
        [{"name": "a"}, {"name": "b", "code": "AAAA"}],
    ],
)
def test_an_answer_about_something_else_is_an_error_of_the_build(modules: list[Any]) -> None:
    host = AnsweringHost(lambda _: json.dumps({"modules": modules}))
    with pytest.raises(BuildError, match="unusable answer"):
        compile_units(UNITS, ENGINE, host)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
modules = st.fixed_dictionaries(
    {"name": st.just("a") | json_values},
    optional={
        "code": json_values,
        "error": json_values | st.fixed_dictionaries(dict.fromkeys(PROBLEM, json_values)),
    },
)


@given(
    st.text()
    | json_values.map(json.dumps)
    | st.lists(modules, max_size=2).map(lambda m: json.dumps({"modules": m}))
)
def test_any_answer_gives_code_a_problem_or_an_error_of_the_build(answer: str) -> None:
    try:
        compiled = compile_units(UNITS[:1], ENGINE, AnsweringHost(lambda _: answer))
    except BuildError:
        return
    found = compiled["a"]
    if isinstance(found, SyntaxProblem):
        assert found.error("a.py").message


def test_sources_go_to_the_engine_in_bounded_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_BATCH", 10)
    units = [Unit(f"m{number}", f"m{number}.py", "#" * 4) for number in range(5)] + [
        Unit("big", "big.py", "#" * 99)
    ]
    host = AnsweringHost(honest)
    assert list(compile_units(units, ENGINE, host)) == ["m0", "m1", "m2", "m3", "m4", "big"]
    assert [len(request) for request in host.requests] == [2, 2, 1, 1]


def test_entries_are_those_of_the_guests_readme(tmp_path: Path) -> None:
    class Host(AnsweringHost):
        def cache_folder(self, name: str) -> Path:
            return tmp_path

    def answer(modules: list[dict[str, str]]) -> str:
        compiled = [
            {"name": module["name"], "error": PROBLEM}
            if "template" in module["name"]
            else {"name": module["name"], "code": "AAAA"}
            for module in modules
        ]
        return json.dumps({"modules": compiled})

    site = tmp_path / "site"
    (site / "dist/inner").mkdir(parents=True)
    for name in ("dist/inner/code.py", "dist/inner/template.py", "dist/inner/data.txt"):
        (site / name).write_text(name)
    distribution = Distribution(
        name="dist", version="1", digest="d", native=None, tops=("dist",), requires=(),
        data=("dist/inner/data.txt",),
        modules=(
            PackageModule("dist.inner.code", "dist/inner/code.py", False),
            PackageModule("dist.inner.template", "dist/inner/template.py", False),
        ),
    )  # fmt: skip
    tree = FilesTree(
        {"app/main.py": b"import pkg.a, dist.inner.code", "pkg/__init__.py": b"", "pkg/a.py": b""}
    )
    closure = find_modules("app/main.py", tree, ("app", ""))
    program = make_program(closure, Packages(site, (distribution,)), ENGINE, Host(answer))
    # What isn't Python to the guest can't be imported, but it can be read.
    readable = ("dist/inner/data.txt", "dist/inner/template.py")
    assert dict(program.files) == {name: name.encode() for name in readable}
    assert dict(program.entries) == {
        "main": '{"module": "main", "own": ["main", "pkg"], "packages": ["dist"]}\nmodule app/main.py\nAAAA',
        "module:pkg": "package pkg/__init__.py\nAAAA",
        "module:pkg.a": "module pkg/a.py\nAAAA",
        "module:dist": "package /app/dist/__init__.py\nAAAA",
        "module:dist.inner": "package /app/dist/inner/__init__.py\nAAAA",
        "module:dist.inner.code": "module /app/dist/inner/code.py\nAAAA",
        "source:main": "import pkg.a, dist.inner.code",
        "source:pkg": "",
        "source:pkg.a": "",
        "source:dist.inner.code": "dist/inner/code.py",
        "children:pkg": "a",
        "children:dist": "inner/",
        "children:dist.inner": "code",
    }


def test_a_file_that_is_gone_from_the_cache_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    distribution = Distribution(
        "dist", "1", "d", None, ("dist",), (), (PackageModule("dist", "dist.py", False),), ()
    )
    closure = find_modules("main.py", FilesTree({"main.py": b"import dist"}), ("",))
    with pytest.raises(BuildError, match=r"a file of dist 1 is gone.*\nhint: run `capsule cache clear`"):
        make_program(closure, Packages(tmp_path, (distribution,)), ENGINE, AnsweringHost(honest))
