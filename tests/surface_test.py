"""One ``capsule`` for task code, inside and outside a sandbox; and an import that costs little."""

from __future__ import annotations

import inspect
import json

import pytest

import capsule

OUTSIDE = {"BuildError", "CapsuleError", "Session", "SyncSession", "ToolCall", "Turn", "mcp_server", "stubs"}

NAMES = sorted(set(capsule.__all__) - OUTSIDE)
"""What task code may use: errors of building and of the host do not occur in a sandbox."""

DESCRIBE = '''
def describe(module):
    """Every public name of a module, with its signature or its public members."""
    import inspect

    def signature(value):
        try:
            return [
                (name, parameter.kind.name, repr(parameter.default))
                for name, parameter in inspect.signature(value).parameters.items()
            ]
        except (TypeError, ValueError):
            return None

    def members(kind):
        return sorted(name for name in dir(kind) if not name.startswith("_"))

    found = {}
    for name in sorted(module.__all__):
        value = getattr(module, name)
        found[name] = members(value) if inspect.isclass(value) else signature(value)
    return found

def signatures(task):
    """The public members of a task, with their parameters."""
    import inspect

    names = [name for name in dir(task) if not name.startswith("_")]
    found = {name: None for name in names}
    for name in ("start", "map"):
        parameters = inspect.signature(getattr(task, name)).parameters
        found[name] = [(parameter, one.kind.name) for parameter, one in parameters.items()]
    return found
'''


@pytest.fixture(scope="module")
def inside(tmp_path_factory, user_cache):
    """What the guest's modules look like, described inside a sandbox."""
    path = tmp_path_factory.mktemp("surface") / "main.py"
    path.write_text(
        DESCRIBE
        + """
import capsule, capsule.http

@capsule.task
def some(): pass

def main():
    return {
        "capsule": describe(capsule),
        "http": describe(capsule.http),
        "task": signatures(some),
    }
"""
    )
    return capsule.run_sync(path, cwd=path.parent).unwrap()


@pytest.fixture(scope="module")
def outside():
    import capsule.http

    scope = {}
    exec(DESCRIBE, scope)

    @capsule.task
    def some():
        pass

    described = {
        "capsule": scope["describe"](capsule),
        "http": scope["describe"](capsule.http),
        "task": scope["signatures"](some),
    }
    return json.loads(json.dumps(described))


def test_the_public_names_are_the_same_inside_and_outside(inside):
    assert sorted(inside["capsule"]) == NAMES


@pytest.mark.parametrize("name", ["task", "Envelope", "TaskError"])
def test_a_public_name_has_the_same_parameters_or_members(inside, outside, name):
    assert inside["capsule"][name] == outside["capsule"][name]


def test_http_is_the_same_inside_and_outside(inside, outside):
    assert inside["http"] == outside["http"]


@pytest.mark.parametrize("name", ["function", "name", "options", "start", "map"])
def test_a_task_has_the_same_members(inside, outside, name):
    assert inside["task"][name] == outside["task"][name]


def test_the_options_of_task_are_the_guides():
    from capsule.policy.options import OPTIONS

    scope = dict.fromkeys(("name", *OPTIONS))

    @capsule.task(**scope)
    def some():
        pass

    with pytest.raises(TypeError, match="colour"):
        capsule.task(colour="red")
    assert inspect.isfunction(some.__wrapped__)


def loaded_by(python, statement):
    done = python(f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))")
    assert done.status == 0, done
    return set(json.loads(done.stdout))


HEAVY = {"wasmtime", "pluggy", "cyclopts", "urllib3", "rich", "tomlkit", "sqlite3", "asyncio", "dotenv"}


def test_import_capsule_loads_nothing_heavy(python):
    loaded = loaded_by(python, "import capsule")
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("capsule")} == {"capsule"}


def test_declaring_tasks_loads_no_runtime(python):
    loaded = loaded_by(python, "from capsule import task\n@task\ndef main(): pass")
    assert not loaded & (HEAVY - {"asyncio"})


def test_every_public_name_can_be_imported_and_is_listed(python):
    done = python(
        "import capsule\n"
        "for name in capsule.__all__: assert getattr(capsule, name) is not None and name in dir(capsule)\n"
        "print(capsule.__version__)"
    )
    assert done.status == 0, done
    from importlib.metadata import version

    assert done.stdout.strip() == version("capsule-run")


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        capsule.nothing  # noqa: B018
