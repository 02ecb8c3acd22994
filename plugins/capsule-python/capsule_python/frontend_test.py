"""The frontend as the host uses it, with the real engine in real sandboxes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from capsule.errors import BuildError, ConfigError
from capsule.frontend.spec import EngineProgram, Frontend, Host, Inputs, OwnComponent, Program, Source
from capsule_python.frontend import PythonFrontend

HEAD = "from capsule import task\n"


@pytest.fixture(scope="module")
def frontend() -> PythonFrontend:
    return PythonFrontend()


def program_of(frontend: PythonFrontend, source: Source, host: Host) -> Program:
    compiled = frontend.compile(source, frontend.inputs(source, host), host, snapshot=False)
    assert isinstance(compiled, EngineProgram)
    return compiled.program


def call(frontend: PythonFrontend, source: Source, host: Host, task: str = "main", *args: Any) -> Any:
    """Builds the source, runs one of its tasks in a sandbox and returns the result."""
    program = program_of(frontend, source, host)
    request = json.dumps({"task": task, "args": args, "kwargs": {}})
    answer = json.loads(host.call_engine(frontend.engine(source), "run", request, program=program))
    assert "result" in answer, answer
    return answer["result"]


def test_it_is_a_frontend(frontend: PythonFrontend) -> None:
    assert isinstance(frontend, Frontend)
    assert (frontend.name, frontend.suffixes) == ("python", (".py",))


def test_importing_the_plugin_brings_nothing_heavy() -> None:
    code = "import sys, capsule_python.plugin as p; p.capsule_frontends(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"packaging", "componentize_py", "tomllib", "subprocess", "wasmtime", "xxhash", "difflib"}
    assert not heavy & set(done.stdout.split())


def test_editing_an_own_module_changes_the_inputs_and_other_files_do_not(
    project: Any, frontend: PythonFrontend, host: Host
) -> None:
    source = project(
        {"main.py": "import a", "a.py": "import b", "b.py": "", "other.py": "", "pyproject.toml": ""}
    )
    first = frontend.inputs(source, host)
    assert list(first.files) == ["main.py", "a.py", "b.py"]
    project({"other.py": "x = 1", "README.md": "x", "pyproject.toml": "[project]\ndependencies = ['six']"})
    assert frontend.inputs(source, host) == first
    for name in ("main.py", "a.py", "b.py"):
        (source.root / name).write_bytes(first.files[name] + b"\nx = 2")
        changed = frontend.inputs(source, host)
        assert changed != first
        (source.root / name).write_bytes(first.files[name])
    assert frontend.inputs(source, host) == first
    assert set(first.toolchain) == {"capsule-python", "componentize-py", "engine"}


def test_what_was_read_for_the_hash_is_what_is_built(
    project: Any, frontend: PythonFrontend, host: Host
) -> None:
    source = project(
        {"main.py": HEAD + "import a\n@task(ram='1MB')\ndef main(): return a.X", "a.py": "X = 1"}
    )
    inputs = frontend.inputs(source, host)
    project({"main.py": "syntax error here", "a.py": "X = 2"})
    assert frontend.discover(source, inputs, host)[0].options == {"ram": "1MB"}
    compiled = frontend.compile(source, inputs, host, snapshot=False)
    assert isinstance(compiled, EngineProgram)
    assert compiled.program.entries["source:a"] == "X = 1"


def test_own_modules_packages_and_namespaces_work_in_the_sandbox(
    project: Any, frontend: PythonFrontend, host: Host
) -> None:
    source = project(
        {
            "app/main.py": """
from capsule import task
import helpers, pkg.deep.er, space.inner, json, shared
from pkg import sub
import pkgutil

@task
def main():
    import lazy
    return [helpers.X, pkg.deep.er.X, space.inner.X, sub.X, json.X, shared.X, lazy.X, __file__,
            sorted(m.name for m in pkgutil.iter_modules(pkg.__path__)), pkg.deep.er.__name__]
""",
            "app/helpers.py": "X = 'helpers'",
            "app/json.py": "X = 'own json'",
            "app/lazy.py": "X = 'lazy'",
            "app/pkg/__init__.py": "from .sub import X",
            "app/pkg/sub.py": "X = 'sub'",
            "app/pkg/deep/__init__.py": "",
            "app/pkg/deep/er.py": "from ..sub import X",
            "app/space/inner.py": "X = 'inner'",
            "shared.py": "X = 'shared'",
        },
        "app/main.py",
    )
    assert call(frontend, source, host) == [
        "helpers", "sub", "inner", "sub", "own json", "shared", "lazy", "app/main.py",
        ["deep", "sub"], "pkg.deep.er",
    ]  # fmt: skip


def test_tasks_of_other_modules_can_be_called(project: Any, frontend: PythonFrontend, host: Host) -> None:
    source = project(
        {
            "main.py": "import jobs\ndef main(): return 1",
            "jobs.py": HEAD + "@task\ndef add(a, b): return a + b",
        }
    )
    names = [task.name for task in frontend.discover(source, frontend.inputs(source, host), host)]
    assert names == ["main", "add"]
    assert call(frontend, source, host, "add", 1, 2) == 3


@pytest.mark.parametrize(
    "files",
    [
        {
            "main.py": HEAD + "import a\n@task\ndef own(): return 'own'",
            "a.py": HEAD + "@task\ndef first(): return 'first'",
        },
        {
            "main.py": HEAD + "@task\ndef own(): return 'own'\nimport a",
            "a.py": HEAD + "@task\ndef first(): return 'first'",
        },
        {"main.py": HEAD + "@task\ndef own(): return 'own'\ndef main(): return 'plain'"},
        {"main.py": "from a import main", "a.py": "def main(): return 'imported'"},
        {"main.py": HEAD + "def other(): return 'other'\nx = task(name='y')(other)"},
    ],
)
def test_the_task_that_main_means_is_the_one_that_the_sandbox_runs(
    project: Any, frontend: PythonFrontend, host: Host, files: dict[str, str]
) -> None:
    source = project(files)
    tasks = frontend.discover(source, frontend.inputs(source, host), host)
    found = call(frontend, source, host)
    same = [task for task in tasks[1:] if task.location == tasks[0].location]
    if same:
        assert call(frontend, source, host, same[0].name) == found
    else:
        file, line = tasks[0].location.file, tasks[0].location.line
        assert line is not None
        assert repr(found) in files[file].splitlines()[line - 1]


def test_options_that_have_to_be_run_are_read_in_a_sandbox(
    project: Any, frontend: PythonFrontend, host: Any
) -> None:
    source = project(
        {
            "main.py": HEAD + "from config import RAM\n@task(ram=RAM, compute=sum([1, 2]))\ndef main(): ...",
            "config.py": "RAM = '64' + 'MB'",
        }
    )
    inputs = frontend.inputs(source, host)
    (main,) = frontend.discover(source, inputs, host)
    assert main.options == {"ram": "64MB", "compute": 3}
    assert str(main.location) == "main.py:3"
    assert host.calls == ["compile", "declared"]
    frontend.compile(source, inputs, host, snapshot=False)
    assert host.calls == ["compile", "declared"]


def test_an_option_that_needs_the_environment_is_an_error_that_names_it(
    project: Any, frontend: PythonFrontend, host: Host
) -> None:
    source = project({"main.py": HEAD + "import os\n@task(ram=os.environ['RAM'])\ndef main(): ..."})
    with pytest.raises(BuildError, match="option 'ram' of task 'main' can't be read") as caught:
        frontend.discover(source, frontend.inputs(source, host), host)
    assert str(caught.value.location) == "main.py:3"
    assert "KeyError" in caught.value.message


def test_a_syntax_error_shows_file_line_and_caret(project: Any, frontend: PythonFrontend, host: Host) -> None:
    source = project({"main.py": "import a\ndef main(): ...", "a.py": "x = 1\nif x:\n    y = = 2\n"})
    with pytest.raises(BuildError) as caught:
        frontend.discover(source, frontend.inputs(source, host), host)
    assert str(caught.value.location) == "a.py:3"
    assert caught.value.message.startswith("syntax error: ")
    assert caught.value.message.splitlines()[1:] == ["    y = = 2", "        ^"]


def test_a_source_for_the_guests_python_is_built_on_an_older_one(
    project: Any, frontend: PythonFrontend, host: Host
) -> None:
    source = project(
        {
            "main.py": HEAD + "import a\n@task(ram='1MB')\ndef main():\n    return a.f()",
            "a.py": "def f[T](x: T = 3):\n    try:\n        return x\n    except A, B:\n        pass",
        }
    )
    (main,) = frontend.discover(source, frontend.inputs(source, host), host)
    assert main.options == {"ram": "1MB"}
    assert call(frontend, source, host) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def main(): ...\nx = '\xff'\n", "main.py:2"),
        (b"# coding: nonsense\ndef main(): ...\n", "main.py"),
        (b"def main(): ...\nx = 1\0\n", "null byte"),
        (b"def main(): ...\nx = " + b"(" * 5000 + b")" * 5000, "main.py"),
    ],
)
def test_what_is_no_python_text_is_an_error_with_its_file(
    project: Any, frontend: PythonFrontend, host: Host, content: bytes, message: str
) -> None:
    source = project({"main.py": content})
    with pytest.raises(BuildError) as caught:
        program_of(frontend, source, host)
    assert message in str(caught.value)


def test_sources_in_other_encodings_mean_the_same(project: Any, frontend: PythonFrontend, host: Host) -> None:
    source = project(
        {"main.py": "# coding: latin-1\r\ndef main():\r\n    return 'é\\n'\r\n".encode("latin-1")}
    )
    assert call(frontend, source, host) == "é\n"


def test_the_same_inputs_give_an_equal_program(project: Any, host: Host) -> None:
    source = project(
        {"main.py": "import a, b\ndef main(): ...", "a.py": "import b", "b.py": "x = {1, 2, 'a'}"}
    )
    first = program_of(PythonFrontend(), source, host)
    again = program_of(PythonFrontend(), source, host)
    assert first == again
    assert list(first.entries) == list(again.entries)


def test_a_source_outside_the_root_and_unknown_settings_are_errors(
    project: Any, frontend: PythonFrontend, host: Host, tmp_path: Path
) -> None:
    source = project({"main.py": ""}, dependancies=[])
    with pytest.raises(ConfigError, match="dependencies"):
        frontend.inputs(source, host)
    with pytest.raises(BuildError, match="outside the project root"):
        frontend.inputs(Source(tmp_path / "main.py", tmp_path / "other"), host)


SCRIPT = """# /// script
# dependencies = ["six", "markupsafe", "pyyaml"]
# ///
import six, markupsafe, yaml
from capsule import task

@task
def main():
    return [six.__file__, str(markupsafe.escape("<")), yaml.safe_load("a: [1, 2]"), yaml.__with_libyaml__]
"""


@pytest.mark.usefixtures("package_index")
def test_packages_run_in_the_sandbox_and_are_compiled_once(
    project: Any, frontend: PythonFrontend, host: Any
) -> None:
    source = project({"main.py": SCRIPT})
    expected = ["/app/six.py", "&lt;", {"a": [1, 2]}, False]
    assert call(frontend, source, host) == expected
    program = program_of(frontend, source, host)
    assert "markupsafe-" in " ".join(program.files)
    host.calls.clear()
    project({"main.py": SCRIPT + "\nX = 1\n"})
    assert call(frontend, source, host) == expected
    assert host.calls == ["compile", "run"]
    damaged = next(path for path in host.cache_folder("packages").iterdir() if path.name.startswith("code-"))
    damaged.write_bytes(damaged.read_bytes()[:-10])
    host.calls.clear()
    assert call(frontend, source, host) == expected
    assert host.calls == ["compile", "compile", "run"]


@pytest.mark.usefixtures("package_index")
def test_dependencies_that_change_in_between_are_an_error(
    project: Any, frontend: PythonFrontend, host: Host
) -> None:
    source = project(
        {"main.py": "import six\ndef main(): ...", "pyproject.toml": "[project]\ndependencies=['six']"}
    )
    inputs = frontend.inputs(source, host)
    project({"pyproject.toml": "[project]\ndependencies=[]"})
    with pytest.raises(BuildError, match="dependencies changed"):
        frontend.compile(source, inputs, host, snapshot=False)


@pytest.mark.slow
def test_a_snapshot_is_a_component_of_its_own(project: Any, frontend: PythonFrontend, host: Host) -> None:
    source = project({"main.py": "def main(): return 1"})
    compiled = frontend.compile(source, frontend.inputs(source, host), host, snapshot=True)
    assert isinstance(compiled, OwnComponent)
    assert compiled.wasm.startswith(b"\0asm")


def test_inputs_of_a_small_project_are_read_quickly(
    project: Any, frontend: PythonFrontend, host: Host
) -> None:
    import time

    source = project({"main.py": "import os, sys, json, a", "a.py": "import re, asyncio, typing"})
    frontend.inputs(source, host)
    times = []
    for _ in range(10):
        started = time.perf_counter()
        inputs = frontend.inputs(source, host)
        times.append(time.perf_counter() - started)
    assert isinstance(inputs, Inputs)
    assert min(times) < 0.02
