"""Lifecycle tracking: every run is recorded, and ``capsule trace`` shows it."""

from __future__ import annotations

import json

import pytest

from capsule import run_sync
from capsule.launch.journals import close_journals

TREE = """
    import time
    from capsule import task

    @task(name="leaf")
    def leaf(number):
        print("leaf", number)
        if number == 2:
            raise ValueError("two is broken")
        return number

    @task(name="branch", max_retries=1)
    def branch():
        return [one.success for one in leaf.map([1, 2])]

    @task(name="main", allowed_hosts=["127.0.0.1"])
    def main(url):
        from capsule.http import get
        get(url).text()
        try:
            get("http://localhost:1/")
        except PermissionError:
            pass
        return branch().result
"""


@pytest.fixture
def traced(project, server, cli):
    envelope = project.run(TREE, server.url + "/x?key=hunter2")
    assert envelope.unwrap() == [True, False]
    close_journals()
    [run] = json.loads(cli("trace", "--json").stdout)["runs"]
    return run


def test_runs_are_listed_with_state_source_and_time(traced, cli):
    assert traced["state"] == "succeeded"
    assert traced["source"] == "main.py"
    assert traced["task"] == "main"
    assert traced["tasks"] == 4
    assert traced["duration"] > 0
    shown = cli("trace").stdout
    assert traced["id"][:12] in shown
    assert "succeeded" in shown


def test_a_run_is_shown_as_a_tree_of_its_tasks(traced, cli):
    lines = cli("trace", traced["id"][:8]).stdout.splitlines()
    at = {name: next(line for line in lines if name in line) for name in ("main", "branch", "leaf")}
    text = "\n".join(lines)
    assert at["branch"].index("branch") < at["leaf"].index("leaf")
    assert text.count("leaf") >= 2
    assert "two is broken" in text
    assert "failed" in text


def test_the_json_of_a_run_has_parents_attempts_refusals_and_requests(traced, cli, server):
    text = cli("trace", traced["id"], "--json").stdout
    assert text.count("\n") == 1
    run = json.loads(text)
    tasks = {}

    def walk(task, parent):
        tasks[task["task"]] = (task, parent)
        for child in task.get("children", ()):
            walk(child, task["task"])

    for task in run["tasks"]:
        if "children" in task:
            walk(task, None)
        else:
            tasks[task["task"]] = (task, task["parent"])
    names = {number: task["name"] for number, (task, _) in tasks.items()}
    assert sorted(names.values()) == ["branch", "leaf", "leaf", "main"]
    parents = {(names[number], names.get(parent)) for number, (_, parent) in tasks.items()}
    assert parents == {("main", None), ("branch", "main"), ("leaf", "branch")}
    failed = [task for task, _ in tasks.values() if task["state"] == "failed"]
    assert [task["error_type"] for task in failed] == ["task_error"]
    assert all(task["attempts"] for task, _ in tasks.values())
    main = next(task for task, _ in tasks.values() if task["name"] == "main")
    assert "hunter2" not in text.replace(traced["arguments"], "").replace(json.dumps(traced["arguments"]), "")
    assert [request["url"] for request in main["requests"] if request["status"]] == [server.url + "/x"]
    assert main["refusals"][0]["rule"] == "allowed_hosts"


def test_the_output_of_tasks_is_kept_and_shown_when_asked_for(traced, cli):
    assert "leaf 1" in cli("trace", traced["id"], "--output").stdout
    assert "leaf 1" not in cli("trace", traced["id"]).stdout


def test_attempts_are_recorded_one_by_one(project, cli):
    project.run("""
        from capsule import task

        @task(name="main", max_retries=2)
        def main():
            raise ValueError("again")
    """)
    close_journals()
    [run] = json.loads(cli("trace", "--json").stdout)["runs"]
    [task] = json.loads(cli("trace", run["id"], "--json").stdout)["tasks"]
    assert [attempt["attempt"] for attempt in task["attempts"]] == [1, 2, 3]
    assert {attempt["error_type"] for attempt in task["attempts"]} == {"task_error"}
    assert task["retries"] == 2
    assert run["state"] == "failed"


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\0" + bytes(100)])
def test_a_broken_database_is_set_aside_and_the_run_goes_on(project, content):
    (project / ".capsule").mkdir()
    (project / ".capsule/trace.db").write_bytes(content)
    path = project.write("main.py", "def main():\n    return 1\n")
    assert run_sync(path).result == 1
    close_journals()
    if content:
        [kept] = (project / ".capsule").glob("trace.db.broken-*")
        assert kept.read_bytes() == content


def test_without_any_runs_trace_says_what_to_do(project, cli, said):
    said(cli("trace"), "hint:", status=2)
