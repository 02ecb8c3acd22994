"""Every ceiling, by table: what a declaration over it comes to, cut or refused, wherever it was written."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from capsule import CapsuleError, events, run_sync
from capsule.frontend.manager import plugins
from capsule.launch.prepare import prepare
from capsule.launch.start import start
from capsule.policy.limits import Limits, apply_limits
from capsule.policy.options import OPTIONS
from capsule.project.config import load_config

WRITTEN = {
    # name: in capsule.toml, in limits=, after --limit
    "compute": ('"LOW"', "LOW", "LOW"),
    "ram": ('"64MB"', "64MB", "64MB"),
    "timeout": ('"2s"', "2s", "2s"),
    "max_retries": ("1", 1, "1"),
    "allowed_files": (
        '["a", { path = "b", mode = "ro" }]', ["a", {"path": "b", "mode": "ro"}], "a,b:ro",
    ),
    "allowed_hosts": (
        '["a.example", "*.b.example:80"]', ["a.example", "*.b.example:80"], "a.example,*.b.example:80",
    ),
    "env_variables": ('["A", "B"]', ["A", "B"], "A,B"),
    "secrets": ('["A"]', ["A"], "A"),
    "tools": ('["f"]', ["f"], "f"),
    "depth": ("3", 3, "3"),
    "tasks": ("7", 7, "7"),
    "concurrency": ("1", 1, "1"),
    "output_bytes": ('"1KB"', "1KB", "1KB"),
    "result_bytes": ('"1KB"', "1KB", "1KB"),
    "http_requests": ("2", 2, "2"),
    "http_bytes": ('"1KB"', "1KB", "1KB"),
    "total_compute": ('"LOW"', "LOW", "LOW"),
    "total_timeout": ('"2s"', "2s", "2s"),
    "disk": ('"1MB"', "1MB", "1MB"),
    "on_exceed": ('"refuse"', "refuse", "refuse"),
    "allow_project_writes": ("true", True, "true"),
}  # fmt: skip


def test_the_table_has_every_ceiling_there_is():
    assert set(WRITTEN) == {field.name for field in fields(Limits)} - {"origins"}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_ceiling_is_the_same_in_capsule_toml_in_code_and_on_the_command_line(tmp_path, name):
    in_toml, in_code, typed = WRITTEN[name]
    path = tmp_path / "capsule.toml"
    path.write_text(f"[limits]\n{name} = {in_toml}\n")
    read = [
        load_config(path, tmp_path).limits,
        Limits.parse({name: in_code}, "limits="),
        Limits.parse_arguments([f"{name}={typed}"]),
    ]
    assert read[0] == read[1] == read[2]
    assert getattr(read[0], name) != getattr(Limits(), name)
    origins = [limits.origin(name) for limits in read]
    assert origins == [f"[limits] {name} (capsule.toml:2)", f"limits= {name}", f"--limit {name}"]


OPTION = """
    import os, time
    from capsule import task, http, tools

    @task({options})
    def main(url=None):
        {body}
"""

OVER = {
    # option: its ceiling, a declaration over it, what the task does, what comes of it under the ceiling
    "compute": ("5_000_000", "compute='HIGH'", "while True: pass", "out_of_fuel"),
    "ram": ('"64MB"', "ram='1GB'", "return len(bytearray(200_000_000))", "out_of_memory"),
    "timeout": ('"300ms"', "timeout='1h', compute='HIGH'", "time.sleep(60)", "timeout"),
    "max_retries": ("1", "max_retries=3", "raise ValueError", "task_error"),
    "allowed_files": ('["a"]', "allowed_files=['a', 'b']", "return [os.path.exists(name) for name in 'ab']",
                      [True, False]),
    "allowed_hosts": ('["a.example"]', "allowed_hosts=['127.0.0.1']", "return http.get(url).text()",
                      "permission_denied"),
    "env_variables": ("[]", "env_variables=['HOME']", "return os.environ.get('HOME')", None),
    "secrets": ("[]", "secrets=['TOKEN']", "return os.environ.get('TOKEN')", None),
    "tools": ("[]", "tools=['search']", "return tools.search()", "permission_denied"),
}  # fmt: skip


def over(project, option, on_exceed, server):
    ceiling, options, body, _ = OVER[option]
    project.write(
        "capsule.toml",
        f"""
        [limits]
        {option} = {ceiling.replace("_", "") if option == "compute" else ceiling}
        on_exceed = "{on_exceed}"

        [secrets]
        TOKEN = {{ env = "CAPSULE_TEST_TOKEN", hosts = ["a.example"] }}
        """,
    )
    return project.run(OPTION.format(options=options, body=body), server.url)


def test_the_options_are_all_in_the_table():
    assert set(OVER) == set(OPTIONS)


@pytest.mark.parametrize("option", OVER)
def test_a_declaration_over_a_ceiling_is_cut_down_to_it(project, server, option):
    (project / "a").mkdir()
    (project / "b").mkdir()
    expected = OVER[option][3]
    envelope = over(project, option, "cap", server)
    if isinstance(expected, str):
        assert envelope.error["error_type"] == expected, envelope
        assert envelope.execution["retries"] == (1 if option == "max_retries" else 0)
    else:
        assert envelope.unwrap() == expected
    if option == "allowed_hosts":
        assert "[limits] allowed_hosts" in envelope.error["message"]
    assert server.asked == []


@pytest.mark.parametrize("option", OVER)
def test_a_declaration_over_a_ceiling_is_refused_before_anything_runs(project, server, option):
    with pytest.raises(CapsuleError, match="is over the ceiling") as refused:
        over(project, option, "refuse", server)
    message = refused.value.message
    assert f"[limits] {option} (capsule.toml:2)" in message
    assert "main.py:4" in message, "where it was declared"
    assert str(refused.value.location) == "main.py:4"
    assert not (project / "b").exists(), "nothing was made for it"
    assert server.asked == []


@pytest.mark.parametrize("on_exceed", ["cap", "refuse"])
@pytest.mark.parametrize("option", OVER)
def test_a_declaration_at_the_ceiling_is_neither_cut_nor_refused(project, option, on_exceed):
    in_toml, in_code, _ = WRITTEN[option]
    declared = f"{option}={in_code!r}"
    project.write("capsule.toml", f'[limits]\n{option} = {in_toml}\non_exceed = "{on_exceed}"\n')
    path = project.write("main.py", OPTION.format(options=declared, body="return 1"))
    prepared = prepare(path, project.root, plugins(), progress=lambda _: None)
    task = prepared.loaded.manifest.tasks["main"]
    assert apply_limits(task.declared, prepared.limits, task="main", location=task.location) == task.declared


RUN = """
    import time
    from capsule import task, http

    @task(name="leaf")
    def leaf(value=None):
        return value

    @task(name="down")
    def down(depth):
        outcome = down(depth + 1)
        if outcome.success:
            return outcome.result
        return [depth + 1, outcome.error["error_type"], outcome.error["message"]]

    @task(name="main", compute="HIGH", allowed_hosts=["127.0.0.1"])
    def main(what, url=None):
        if what == "depth":
            return down(1).result
        if what == "tasks":
            return [outcome.success for outcome in leaf.map([1, 2, 3, 4])]
        if what == "result":
            return "x" * 2000
        if what == "output":
            print("x" * 5000)
        if what == "requests":
            return attempts(url + "/bytes/1", 4)
        if what == "bytes":
            return attempts(url + "/bytes/600", 4)
        if what == "sent":
            return attempts(url, 4, b"x" * 600)
        if what == "fuel":
            while True:
                pass
        if what == "time":
            time.sleep(60)

    def attempts(url, count, body=None):
        found = []
        for _ in range(count):
            try:
                response = http.get(url) if body is None else http.post(url, data=body)
                found.append(response.status_code)
            except Exception as error:
                found.append(str(error))
        return found
"""


RUN_LIMITS = {
    # limit of the run: its value, what the main task is asked to do
    "depth": (3, "depth"),
    "tasks": (2, "tasks"),
    "result_bytes": ("1KB", "result"),
    "output_bytes": ("1KB", "output"),
    "http_requests": (2, "requests"),
    "http_bytes": ("1KB", "bytes"),
    "total_compute": (30_000_000, "fuel"),
    "total_timeout": ("400ms", "time"),
}


@pytest.mark.parametrize("on_exceed", ["cap", "refuse"])
@pytest.mark.parametrize("name", RUN_LIMITS)
def test_a_limit_of_the_run_holds_and_is_named(project, server, name, on_exceed):
    value, what = RUN_LIMITS[name]
    written = []
    envelope = project.run(
        RUN,
        what,
        server.url,
        limits={name: value, "on_exceed": on_exceed},
        on_output=lambda _, text: written.append(text),
    )
    match name:
        case "depth":
            depth, error_type, message = envelope.unwrap()
            assert (depth, error_type) == (4, "limit_exceeded")
            assert "3 deep" in message
            assert "depth" in message
        case "tasks":
            assert sorted(envelope.unwrap()) == [False, False, True, True]
        case "result_bytes":
            assert envelope.error["error_type"] == "result_too_large"
        case "output_bytes":
            assert 1000 <= "".join(written).count("x") <= 1024
        case "http_requests":
            *made, third, fourth = envelope.unwrap()
            assert made == [200, 200]
            assert "http_requests" in third
            assert "http_requests" in fourth
            assert len(server.asked) == 2
        case "http_bytes":
            first, *rest = envelope.unwrap()
            assert first == 200
            assert all("http_bytes" in message for message in rest)
        case "total_compute":
            assert envelope.error["error_type"] == "out_of_fuel"
            assert "total_compute" in envelope.error["message"]
        case "total_timeout":
            assert envelope.error["error_type"] == "timeout"
            assert "total_timeout" in envelope.error["message"]


def test_bytes_that_are_sent_count_too_and_what_is_too_much_is_not_sent(project, server):
    found = project.run(RUN, "sent", server.url, limits={"http_bytes": "1300"}).unwrap()
    assert found[0] == 200
    assert all("http_bytes" in str(message) for message in found[2:])
    assert sum(len(asked.body) for asked in server.asked) <= 1300


def test_concurrency_bounds_how_many_sandboxes_run_at_once(project):
    """A sandbox that waits gives its place away, so what counts is the parts, which never wait."""
    text = """
        from capsule import task

        @task(name="part")
        def part(number):
            return sum(range(300_000)) - sum(range(300_000))

        @task(name="main", compute="HIGH")
        def main():
            return [outcome.unwrap() for outcome in part.map(range(8))]
    """
    path = project.write("main.py", text)
    seen = []
    prepared = prepare(path, project.root, plugins(), progress=lambda _: None)
    execution = start(
        *(prepared, "main", [], {}),
        cwd=project.root,
        limits=Limits.parse({"concurrency": 1}),
        sinks=(seen.append,),
        on_problem=print,
    )
    assert execution.done.wait(60)
    assert execution.envelope.unwrap() == [0] * 8
    running, most = set(), 0
    for event in seen:
        if isinstance(event, events.AttemptStarted) and event.task > 1:
            running.add(event.task)
        elif isinstance(event, events.AttemptEnded):
            running.discard(event.task)
        most = max(most, len(running))
    assert most == 1


def test_an_artifact_s_claims_are_under_the_ceilings_of_the_working_directory(project, cli, tmp_path, said):
    project.write(
        "main.py", OPTION.format(options="env_variables=['HOME']", body="return os.environ.get('HOME')")
    )
    assert cli("build", "main.py", "--export").status == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "main.wasm").write_bytes((project / "main.wasm").read_bytes())
    assert run_sync(elsewhere / "main.wasm", cwd=elsewhere).unwrap() is not None

    project.write("capsule.toml", "[limits]\nenv_variables = []\n")
    assert run_sync(elsewhere / "main.wasm", cwd=project.root).unwrap() is None
    explained = json.loads(cli("explain", elsewhere / "main.wasm", "--json").stdout)
    [task] = explained["tasks"]
    assert task["policy"]["env_variables"]["ceiling_origin"] == "[limits] env_variables (capsule.toml:2)"
    (elsewhere / "capsule.toml").write_text('[limits]\nenv_variables = ["HOME"]\n')
    assert run_sync(elsewhere / "main.wasm", cwd=project.root).unwrap() is None, (
        "it comes with its own settings"
    )

    project.write("capsule.toml", '[limits]\nenv_variables = []\non_exceed = "refuse"\n')
    said(cli("exec", elsewhere / "main.wasm"), "env_variables", "over the ceiling", status=2)


@pytest.mark.parametrize(("ceiling", "writable"), [('["out"]', False), ('["elsewhere/out"]', True)])
def test_folders_of_a_ceiling_mean_the_same_wherever_the_artifact_lies(project, cli, ceiling, writable):
    """The working directory's ceiling names them from there: its ``out`` is not that beside the artifact."""
    body = "open('out/x', 'w').write('x'); return 1"
    project.write("main.py", OPTION.format(options="allowed_files=['out']", body=body))
    assert cli("build", "main.py", "--export").status == 0
    (project / "elsewhere").mkdir()
    (project / "main.wasm").rename(project / "elsewhere/main.wasm")
    (project / "elsewhere/capsule.toml").write_text("")
    project.write("capsule.toml", f"[limits]\nallowed_files = {ceiling}\n")
    envelope = run_sync(project / "elsewhere/main.wasm", cwd=project.root)
    assert envelope.success == writable
    assert (project / "elsewhere/out/x").exists() == writable
    assert not (project / "out").exists()
