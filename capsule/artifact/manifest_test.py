from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capsule.artifact.manifest import LARGEST_TASK_COUNT, Manifest, Task, manifest_from_json, manifest_to_json
from capsule.errors import ArtifactError, Location
from capsule.frontend.spec import Parameter
from capsule.policy.model import Policy, TaskPolicy
from capsule.policy.options import OPTIONS

POLICY = TaskPolicy(Policy(ram=1 << 20, timeout=2.0), dict.fromkeys(OPTIONS, "built-in"))
MANIFEST = Manifest(
    source="src/main.py",
    key="k",
    frontend="python",
    frontend_version="1",
    tasks={
        "main": Task("main", POLICY, Location("src/main.py", 3)),
        "\u00e9": Task("\u00e9", POLICY, Location("src/other.py")),
    },
    workflow={"name": "w", "version": "1.0"},
)


def as_json():
    return json.loads(json.dumps(manifest_to_json(MANIFEST)))


def test_what_is_written_is_what_is_read():
    assert manifest_from_json(as_json()) == MANIFEST


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_another_version_says_to_build_again(version):
    with pytest.raises(ArtifactError, match="version") as caught:
        manifest_from_json({**as_json(), "version": version})
    assert "build it again" in str(caught.value.hint)


@pytest.mark.parametrize("field", ["source", "key", "frontend", "frontend_version"])
@pytest.mark.parametrize("value", [None, 1, ["x"], "x" * 5000])
def test_a_text_that_is_none_or_endless_is_refused(field, value):
    with pytest.raises(ArtifactError, match=field):
        manifest_from_json({**as_json(), field: value})


@pytest.mark.parametrize("tasks", [None, [], "main", {"main": None}, {"main": {}}, {"main": {"policy": []}}])
def test_tasks_that_are_no_tasks_are_refused(tasks):
    with pytest.raises(ArtifactError):
        manifest_from_json({**as_json(), "tasks": tasks})


def test_endlessly_many_tasks_are_refused():
    task = as_json()["tasks"]["main"]
    many = {str(number): task for number in range(LARGEST_TASK_COUNT + 1)}
    with pytest.raises(ArtifactError, match="lists no tasks"):
        manifest_from_json({**as_json(), "tasks": many})


@pytest.mark.parametrize("line", [0, -1, True, "3", 1.5, None])
def test_a_line_that_is_none_is_left_out(line):
    value = as_json()
    value["tasks"]["main"]["line"] = line
    assert manifest_from_json(value).tasks["main"].location.line is None


PARAMETERS = (Parameter("n", ("integer", "null")), Parameter("rest", (), rest=True))


def test_parameters_come_back_and_may_be_missing():
    task = replace(MANIFEST.tasks["main"], parameters=PARAMETERS)
    value = json.loads(json.dumps(manifest_to_json(replace(MANIFEST, tasks={"main": task}))))
    assert manifest_from_json(value).tasks["main"].parameters == PARAMETERS
    del value["tasks"]["main"]["parameters"]
    assert manifest_from_json(value).tasks["main"].parameters is None


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        "n",
        [None],
        [{"name": "n"}],
        [{"types": []}],
        [{"name": 1, "types": []}],
        [{"name": "\x1b[31m", "types": []}],
        [{"name": "n" * 201, "types": []}],
        [{"name": "n", "types": ["int"]}],
        [{"name": "n", "types": [[]]}],
        [{"name": "n", "types": "integer"}],
        [{"name": "n", "types": []}] * 201,
    ],
)
def test_parameters_that_no_frontend_could_have_told_are_refused(parameters):
    value = as_json()
    value["tasks"]["main"]["parameters"] = parameters
    with pytest.raises(ArtifactError, match="parameters"):
        manifest_from_json(value)


def test_a_workflow_is_bounded():
    workflow = {f"{number:0200}": "x" * 5000 for number in range(100)}
    found = manifest_from_json({**as_json(), "workflow": workflow}).workflow
    assert len(found) <= 20
    assert all(len(key) <= 100 and len(text) <= 1000 for key, text in found.items())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(st.sampled_from(sorted(manifest_to_json(MANIFEST))), JSON),
    st.dictionaries(st.sampled_from(["policy", "file", "line", "parameters"]), JSON),
    st.dictionaries(st.sampled_from([*OPTIONS, "origins"]), JSON),
)
def test_any_json_gives_a_manifest_or_an_artifact_error(fields, task, policy):
    value = {**as_json(), **fields}
    if isinstance(value["tasks"], dict) and isinstance(value["tasks"].get("main"), dict):
        value["tasks"]["main"].update(task)
        if isinstance(value["tasks"]["main"].get("policy"), dict):
            value["tasks"]["main"]["policy"].update(policy)
    try:
        found = manifest_from_json(value)
    except ArtifactError:
        return
    assert all(isinstance(task.declared.policy, Policy) for task in found.tasks.values())
