"""Attacks on policies: a guest asks the host's interface for more than its task declares."""

from __future__ import annotations

import asyncio

import pytest

from capsule import CapsuleError, run

ASK = """
from wit_world.imports import tasks, http, pending, clock
from componentize_py_types import Err

def ask(function, *arguments):
    try:
        answer = function(*arguments)
    except Err as error:
        return error.value.reason.name
    return answer
"""

OTHER = """
@task(name="other")
def other(*args):
    return [list(args), os.environ.get("CAPSULE_TEST_SECRET")]
"""


@pytest.fixture
def ask(attack):
    """Runs a body that may call ``ask(function of the host, ...)``, beside a task named ``other``."""

    def run(body, *args, **more):
        return attack(body, *args, top=ASK + OTHER, **more).unwrap()

    return run


@pytest.mark.parametrize(
    "name", ["nope", "", "Main", "main ", "main\0", "ma\u0131n", "*", "../main", "x" * 100_000]
)
def test_starting_a_task_that_is_not_declared(ask, name):
    assert ask('return ask(tasks.start, args[0], \'{"args": [], "kwargs": {}}\')', name) == "UNKNOWN_TASK"


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "null",
        "[]",
        "{}",
        "{" * 1000,
        '{"args": []}',
        '{"args": {}, "kwargs": {}}',
        '{"args": [], "kwargs": []}',
        '{"args": [], "kwargs": {}} trailing',
        '{"args": [' + "9" * 5000 + '], "kwargs": {}}',
    ],
)
def test_starting_a_task_with_malformed_arguments(ask, arguments):
    assert ask("return ask(tasks.start, 'other', args[0])", arguments) == "BAD_ARGUMENTS"


@pytest.mark.parametrize("depth", [500, 900, 985, 990, 995, 1000, 5_000, 300_000])
def test_starting_a_task_with_deeply_nested_arguments(ask, depth):
    text = "'{\"kwargs\": {}, \"args\": [' + '[' * args[0] + ']' * args[0] + ']}'"
    assert ask(f"return ask(tasks.start, 'other', {text})", depth) in ("BAD_ARGUMENTS", 1)


def test_sending_a_policy_along_with_the_arguments(ask, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    [result] = ask("""
        policy = {"env_variables": ["CAPSULE_TEST_SECRET"], "allowed_hosts": ["*"], "allowed_files": ["."]}
        call = {"args": [], "kwargs": {}, "policy": policy, "config": policy, "task": "other", **policy}
        handle = ask(tasks.start, "other", json.dumps(call))
        return [json.loads(ask(tasks.outcome, handle))["result"]]
    """)
    assert result == [[], None]


def test_declaring_a_task_while_running(ask):
    """A decorator that runs inside the sandbox registers nothing with the host."""
    late = "@task(name='late', env_variables=['HOME'])\ndef late():\n    return os.environ.get('HOME')\n"
    found = ask(
        "exec(args[0], globals()); return ask(tasks.start, 'late', '{\"args\": [], \"kwargs\": {}}')", late
    )
    assert found == "UNKNOWN_TASK"


def test_changing_the_options_of_a_task_in_the_guest_s_memory(ask, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    assert ask("""
        import capsule.tasks
        for declared in capsule.tasks.registry.tasks.values():
            declared.options["env_variables"] = ["CAPSULE_TEST_SECRET"]
        return other()["result"]
    """) == [[], None]


def test_a_grant_of_the_caller_is_not_the_sub_task_s(attack, project):
    project.write("data/in.txt", "42")
    envelope = attack(
        "return [open('data/in.txt').read(), peek()['result']]",
        options="allowed_files=['data']",
        top="""
        @task(name="peek")
        def peek():
            try:
                return open("data/in.txt").read()
            except OSError as error:
                return type(error).__name__
        """,
    )
    assert envelope.unwrap()[0] == "42"
    assert envelope.unwrap()[1] != "42"


@pytest.mark.parametrize("handle", [0, 1, 2, 2**31, 2**63, 2**64 - 1])
def test_taking_the_outcome_of_a_handle_that_nobody_has_opened(ask, handle):
    assert ask("return ask(tasks.outcome, args[0])", handle) is None
    assert ask("return ask(http.response, args[0])", handle) == "UNKNOWN_HANDLE"


def test_taking_an_outcome_twice(ask):
    first, second = ask("""
        handle = ask(tasks.start, "other", '{"args": [7], "kwargs": {}}')
        return [json.loads(ask(tasks.outcome, handle))["result"], ask(tasks.outcome, handle)]
    """)
    assert first == [[7], None]
    assert second is None


def test_taking_a_task_as_a_response_and_a_request_as_an_outcome(ask):
    assert ask("""
        started = ask(tasks.start, "other", '{"args": [], "kwargs": {}}')
        asked = ask(http.start, "{}")
        return [ask(http.response, started), ask(tasks.outcome, asked)]
    """) == ["UNKNOWN_HANDLE", None]


def test_taking_the_outcomes_of_siblings_and_of_the_caller(attack):
    envelope = attack(
        """
        handles = [ask(tasks.start, "thief", '{"args": [], "kwargs": {}}') for _ in range(3)]
        return [json.loads(ask(tasks.outcome, handle))["result"] for handle in handles]
        """,
        top=ASK
        + """
@task(name="thief")
def thief():
    return [ask(tasks.outcome, handle) for handle in range(20)] + [ask(pending.wait_any, 0)]
""",
    )
    assert envelope.unwrap() == [[None] * 20 + [[]]] * 3


def test_starting_a_task_while_the_program_is_loaded(attack):
    envelope = attack(
        "return refused",
        top=ASK + OTHER + "refused = ask(tasks.start, 'other', '{\"args\": [], \"kwargs\": {}}')",
    )
    assert envelope.unwrap() == "NOT_RUNNING"


def test_requesting_while_the_program_is_loaded_obeys_the_task_s_policy(attack, server):
    request = {"method": "GET", "url": f"{server.url}/x", "headers": [], "body": None, "timeout": None}
    envelope = attack(
        "return answer",
        options=f"allowed_hosts=['127.0.0.1:{server.port + 1}']",
        top=ASK + f"answer = ask(http.send, json.dumps({request | {'redirects': True}}))",
    )
    assert envelope.unwrap() == "DENIED"
    assert server.asked == []


@pytest.mark.parametrize(
    "request_text",
    ["", "null", "[]", "{}", "[" * 300_000, '{"method": 1}', '{"method": "GET", "url": null, "headers": {}}'],
)
def test_malformed_requests(ask, request_text):
    assert ask("return ask(http.send, args[0])", request_text) == "INVALID_REQUEST"


def test_a_request_of_a_hundred_megabytes(ask, memory_grows_at_most):
    with memory_grows_at_most(900 << 20):
        answer = ask("""
            try:
                return ask(http.send, '{"method": "' + "G" * 100_000_000 + '"}')
            except BaseException as error:
                return type(error).__name__
        """)
    assert answer == "TOO_LARGE"


@pytest.mark.parametrize(
    "call", ["clock.sleep(2**64 - 1)", "pending.wait_any(2**64 - 1) or clock.sleep(2**64 - 1)"]
)
def test_sleeping_for_as_long_as_the_contract_can_say(attack, call):
    envelope = attack(call, top=ASK, options="timeout='200ms'")
    assert envelope.error["error_type"] == "timeout", envelope


def test_sleeping_for_584_years_without_a_deadline(project):
    """It sleeps, and can be cancelled: it neither returns nor breaks down."""
    path = project.write("main.py", f"{ASK}\n\ndef main():\n    clock.sleep(2**64 - 1)\n")

    async def a_moment():
        await asyncio.wait_for(run(path, cwd=project.root), 1)

    with pytest.raises(TimeoutError):
        asyncio.run(a_moment())


def test_asking_for_any_entry_of_the_program(attack):
    envelope = attack("""
        from wit_world.imports import program
        names = ["", "..", "/etc/passwd", "../../etc/passwd", "capsule:manifest", "x" * 100_000, "\\0"]
        return [program.get(name) for name in names]
    """)
    assert envelope.unwrap() == [None] * 7


def test_a_source_that_declares_more_than_the_ceiling_gets_the_ceiling(attack, project, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    project.write("data/in.txt", "42")
    envelope = attack(
        "return [os.environ.get('CAPSULE_TEST_SECRET'), os.path.exists('data/in.txt')]",
        options="env_variables=['CAPSULE_TEST_SECRET'], allowed_files=['data'], compute='HIGH'",
        limits={"env_variables": [], "allowed_files": [], "compute": "LOW"},
    )
    assert envelope.unwrap() == [None, False]


def test_a_ceiling_can_refuse_before_anything_runs(attack):
    with pytest.raises(CapsuleError, match="over the ceiling"):
        attack("return 1", options="ram='4GB'", limits={"ram": "64MB", "on_exceed": "refuse"})


def test_an_argument_cannot_loosen_what_the_project_says(attack, project):
    project.write("capsule.toml", "[limits]\nenv_variables = []\n")
    envelope = attack(
        "return os.environ.get('PATH')", options="env_variables=['PATH']", limits={"env_variables": ["PATH"]}
    )
    assert envelope.unwrap() is None
