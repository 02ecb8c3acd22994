"""The user guide, sentence by sentence: overview, getting started, production, options, compute, settings."""

from __future__ import annotations

import json

import pytest

HELLO = """
    from capsule import task

    @task(name="main", compute="LOW", ram="64MB")
    def main() -> str:
        return "Hello from Capsule!"
"""


# Overview


def test_each_task_runs_in_a_sandbox_of_its_own(project):
    envelope = project.run("""
        from capsule import task
        seen = []

        @task(name="step")
        def step(item):
            seen.append(item)
            return seen

        @task(name="main")
        def main():
            seen.append("main")
            return [step(1).result, step(2).result, seen]
    """)
    assert envelope.result == [[1], [2], ["main"]]


def test_a_task_is_isolated_from_the_host_system(project):
    project.write("secret.txt", "secret")
    envelope = project.run(
        """
        import os
        from capsule import task

        def attempt(function):
            try:
                return repr(function())
            except Exception as error:
                return type(error).__name__

        @task(name="main")
        def main(path):
            import socket
            import subprocess
            return {
                "absolute": attempt(lambda: open(path).read()),
                "relative": attempt(lambda: open("secret.txt").read()),
                "passwd": attempt(lambda: open("/etc/passwd").read()),
                "process": attempt(lambda: subprocess.run(["true"])),
                "socket": attempt(lambda: socket.create_connection(("127.0.0.1", 22), timeout=1)),
                "environment": sorted(os.environ),
            }
        """,
        str(project / "secret.txt"),
    )
    found = envelope.unwrap()
    assert found["absolute"] == found["relative"] == found["passwd"] == "PermissionError"
    assert not found["process"].startswith("CompletedProcess")
    assert "socket object" not in found["socket"]
    assert "PATH" not in found["environment"]
    assert "HOME" not in found["environment"]


def test_a_failed_task_does_not_take_the_others_along(project):
    envelope = project.run("""
        from capsule import task

        @task(name="part")
        def part(item):
            if item == 1:
                raise ValueError("part one is broken")
            return item

        @task(name="main")
        def main():
            return [[one.success, one.result] for one in (part(0), part(1), part(2))]
    """)
    assert envelope.result == [[True, 0], [False, None], [True, 2]]


# How it works


def test_functions_are_annotated_with_the_task_decorator_and_all_its_options(project):
    envelope = project.run("""
        from capsule import task

        @task(name="analyze_data", compute="MEDIUM", ram="512MB", timeout="30s", max_retries=1)
        def analyze_data(dataset: list) -> dict:
            return {"processed": len(dataset), "status": "complete"}

        @task(name="main")
        def main() -> dict:
            return analyze_data([1, 2, 3, 4, 5])
    """)
    inner = envelope.result
    assert inner["success"] is True
    assert inner["result"] == {"processed": 5, "status": "complete"}
    assert inner["execution"]["task_name"] == "analyze_data"


def test_a_task_called_main_is_the_entry_point(project):
    envelope = project.run("""
        from capsule import task

        @task(name="other")
        def other():
            return "other"

        @task(name="main")
        def begin():
            return "begin"
    """)
    assert envelope.result == "begin"
    assert envelope.execution["task_name"] == "main"


def test_a_main_task_is_made_of_a_function_main_when_none_is_declared(project):
    envelope = project.run("""
        from capsule import task

        @task(name="double")
        def double(number):
            return number * 2

        def main(number=4):
            return double(number).unwrap()
    """)
    assert envelope.result == 8


# Response format


def test_every_task_returns_the_envelope_of_the_guide(project):
    envelope = project.run("""
        from capsule import task

        @task(name="data_processor")
        def data_processor():
            return "Hello from Capsule!"

        @task(name="main")
        def main():
            return data_processor()
    """)
    for one in (envelope, envelope.result):
        assert set(one.keys()) == {"success", "result", "error", "execution"}
        assert one["success"] is True
        assert one["error"] is None
        execution = one["execution"]
        assert execution["retries"] == 0
        assert isinstance(execution["duration_ms"], int)
        assert execution["fuel_consumed"] > 0
    assert envelope["execution"]["task_name"] == "main"
    assert envelope["result"]["execution"]["task_name"] == "data_processor"
    assert envelope["result"]["result"] == "Hello from Capsule!"


def test_a_failed_tasks_envelope_has_a_null_result_and_the_errors_type_and_message(project):
    envelope = project.run("""
        from capsule import task

        @task(name="main")
        def main():
            raise ValueError("no such customer")
    """)
    assert envelope["success"] is False
    assert envelope["result"] is None
    assert envelope["error"]["error_type"] == "task_error"
    assert "no such customer" in envelope["error"]["message"]
    assert "main.py" in envelope["error"]["traceback"]
    assert "line 5" in envelope["error"]["traceback"]


def test_the_duration_is_milliseconds_of_execution(project):
    envelope = project.run("""
        import time
        from capsule import task

        @task(name="main")
        def main():
            time.sleep(0.3)
    """)
    assert 290 <= envelope.execution["duration_ms"] < 2000


@pytest.mark.parametrize(
    "value", [None, True, 0, -1.5, "text", [1, [2]], {"a": {"b": None}}, "", [], 2**80, "\u00e9\U0001f600"]
)
def test_results_are_the_actual_return_value(project, value):
    envelope = project.run(
        """
        from capsule import task

        @task(name="main")
        def main(value):
            return value
        """,
        value,
    )
    assert envelope.result == value
    assert type(envelope.result) is type(value)


# Getting started


def test_hello_runs_from_the_command_line(project, cli):
    project.write("hello.py", HELLO)
    done = cli("run", "hello.py")
    assert done.status == 0
    assert done.stdout == "Hello from Capsule!\n"


def test_verbose_shows_real_time_task_execution_details(project, cli):
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="part")
        def part():
            return 1

        @task(name="main")
        def main():
            return part().result
    """,
    )
    done = cli("run", "main.py", "--verbose")
    assert done.stdout == "1\n"
    lines = done.stderr.splitlines()
    assert "[#1 main] accepted" in lines
    assert "[#2 part] accepted, for #1" in lines
    assert any(line.startswith("[#2] succeeded after") and "fuel" in line for line in lines)
    assert any(line.startswith("[#1] succeeded after") for line in lines)
    assert "[#1 main]" not in cli("run", "main.py").stderr


# Production


def test_an_exported_artifact_runs_with_exec_without_its_source(project, cli):
    project.write("hello.py", HELLO)
    built = cli("build", "hello.py", "--export")
    assert built.status == 0, built
    (project / "hello.wasm").rename(project / "moved.wasm")
    (project / "hello.py").unlink()
    done = cli("exec", "moved.wasm")
    assert (done.status, done.stdout) == (0, "Hello from Capsule!\n")
    # The second time, the code that was compiled behind the scenes is found.
    again = cli("exec", "moved.wasm", "--json")
    assert again.envelope.execution["load_ms"] < 2000


# Task configuration options


def test_the_name_defaults_to_the_function_name(project, cli):
    project.write(
        "main.py",
        """
        from capsule import task

        @task
        def plain():
            return 1

        @task(compute="LOW")
        def with_options():
            return 2

        @task
        def main():
            return [plain().execution["task_name"], with_options().execution["task_name"]]
    """,
    )
    assert json.loads(cli("run", "main.py").stdout) == ["plain", "with_options"]


def test_the_defaults_are_those_of_the_guide(project, cli):
    project.write(
        "main.py",
        """
        from capsule import task

        @task
        def main():
            return 1
    """,
    )
    policy = json.loads(cli("tasks", "main.py", "--json").stdout)[0]["effective"]
    assert policy.pop("origins") == dict.fromkeys(policy, "built-in")
    assert policy == {
        "compute": 50_000_000_000,  # MEDIUM
        "ram": None,
        "timeout": None,
        "max_retries": 0,
        "allowed_files": [],
        "allowed_hosts": ["*"],
        "env_variables": [],
        "secrets": [],
        "tools": [],
    }


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("compute", '"SOME"', ["compute", "SOME", "LOW"]),
        ("compute", "-1", ["compute", "-1"]),
        ("ram", '"512 pounds"', ["ram", "512 pounds"]),
        ("timeout", '"soon"', ["timeout", "soon"]),
        ("max_retries", '"many"', ["max_retries", "many"]),
        ("allowed_files", '["/etc"]', ["allowed_files", "/etc"]),
        ("allowed_files", '["../up"]', ["allowed_files", "../up"]),
        ("allowed_hosts", '["http://a.example"]', ["allowed_hosts", "http://a.example"]),
        ("env_variables", '["A=B"]', ["env_variables", "A=B"]),
        ("colour", '"red"', ["colour"]),
    ],
)
def test_a_bad_option_is_an_error_with_its_name_value_file_and_line(project, cli, said, option, value, words):
    project.write(
        "main.py",
        f"""
        from capsule import task

        @task(name="main", {option}={value})
        def main():
            return 1
    """,
    )
    done = cli("run", "main.py")
    said(done, "main.py:3", *words)
    assert done.status in (2, 3)


# Compute levels

BURN = """
    from capsule import task

    @task(name="main", compute={level})
    def main(rounds):
        total = 0
        for number in range(rounds):
            total = number & 7
        return total
"""


@pytest.mark.parametrize(
    ("level", "fuel"),
    [('"LOW"', 1_000_000_000), ('"1000000"', 1_000_000), ("5_000_000", 5_000_000)],
)
def test_a_compute_level_is_the_fuel_that_a_task_gets(project, level, fuel):
    envelope = project.run(BURN.format(level=level), 10**12)
    assert envelope.error["error_type"] == "out_of_fuel"
    assert f"{fuel:,} fuel" in envelope.error["message"]
    # The last instructions before the end may not be counted.
    assert fuel * 0.99 <= envelope.execution["fuel_consumed"] <= fuel


def test_fuel_meters_instructions_the_more_work_the_more_fuel(project):
    small = project.run(BURN.format(level='"HIGH"'), 10_000).execution["fuel_consumed"]
    large = project.run(BURN.format(level='"HIGH"'), 110_000).execution["fuel_consumed"]
    larger = project.run(BURN.format(level='"HIGH"'), 210_000).execution["fuel_consumed"]
    assert large > small
    assert (larger - large) == pytest.approx(large - small, rel=0.05)


@pytest.mark.parametrize("level", ['"MEDIUM"', '"HIGH"', '"unlimited"'])
def test_more_compute_is_enough_for_what_low_is_not(project, level):
    envelope = project.run(BURN.format(level=level), 15_000_000)
    assert envelope.success, envelope
    assert envelope.execution["fuel_consumed"] > 1_000_000_000


def test_the_first_loop_that_someone_tries_ends_well(project):
    """A task that declares nothing computes for seconds."""
    envelope = project.run("def main():\n    return sum(n * n for n in range(5_000_000))")
    assert envelope.result == sum(n * n for n in range(5_000_000))


@pytest.mark.parametrize(
    ("level", "advice"),
    [
        (
            "2_000_000",
            'for more, set compute to "LOW" (1,000,000,000 fuel), an amount of fuel, or "unlimited"',
        ),
        ('"LOW"', 'for more, set compute to "MEDIUM" (50,000,000,000 fuel), an amount'),
    ],
)
def test_out_of_fuel_says_what_was_used_and_what_to_write(project, level, advice):
    message = project.run(BURN.format(level=level), 10**12).error["message"]
    assert message.startswith("the task used up its compute of ")
    assert advice in message


def test_a_ceiling_holds_for_unlimited_compute_and_says_so(project):
    limits = {"compute": 3_000_000}
    message = project.run(BURN.format(level='"unlimited"'), 10**12, limits=limits).error["message"]
    assert "3,000,000 fuel" in message
    assert message.endswith("capped by limits= compute)")


# Project configuration

SETTINGS = """
    [workflow]
    name = "My AI Workflow"
    version = "1.0.0"
    entrypoint = "src/main.py"

    [tasks]
    default_compute = "LOW"
    default_ram = "256MB"
    default_timeout = "30s"
    default_max_retries = 2
"""


def test_with_an_entrypoint_capsule_run_needs_no_file(project, cli):
    project.write("capsule.toml", SETTINGS)
    project.write("src/main.py", HELLO)
    assert cli("run").stdout == "Hello from Capsule!\n"
    assert cli("run", cwd=project / "src").stdout == "Hello from Capsule!\n"


def test_capsule_toml_sets_defaults_and_task_options_override_them(project, cli):
    project.write("capsule.toml", SETTINGS)
    project.write(
        "src/main.py",
        """
        from capsule import task

        @task(name="own", compute="HIGH", ram="64MB", timeout="5s", max_retries=0)
        def own():
            return 1

        @task(name="main")
        def main():
            return 1
    """,
    )
    tasks = {task["name"]: task["effective"] for task in json.loads(cli("tasks", "--json").stdout)}
    options = ("compute", "ram", "timeout", "max_retries")
    assert [tasks["own"][option] for option in options] == [1_000_000_000_000, 64 << 20, 5, 0]
    assert [tasks["main"][option] for option in options] == [1_000_000_000, 256 << 20, 30, 2]
    assert tasks["own"]["origins"]["ram"] == "src/main.py:3"
    assert tasks["main"]["origins"]["ram"] == "capsule.toml default_ram"


def test_the_defaults_of_capsule_toml_take_effect(project):
    project.write(
        "capsule.toml",
        '[tasks]\ndefault_timeout = "200ms"\ndefault_compute = "HIGH"\ndefault_max_retries = 1\n',
    )
    envelope = project.run("""
        from capsule import task

        @task(name="main")
        def main():
            while True:
                pass
    """)
    assert envelope.error["error_type"] == "timeout"
    assert envelope.execution["retries"] == 1


def test_an_unknown_key_in_capsule_toml_names_the_nearest_one(project, cli, said):
    project.write("capsule.toml", "[tasks]\ndefault_tiemout = '3s'\n")
    project.write("main.py", HELLO)
    said(cli("run", "main.py"), "capsule.toml:2", "default_tiemout", "default_timeout", status=2)


def test_without_a_file_and_an_entrypoint_the_error_says_what_to_type(cli, said):
    said(cli("run"), "no file given", "hint: capsule run main.py", status=2)


# Compatibility


def test_host_code_that_uses_run_has_every_package_of_its_own(project, python):
    project.write("main.py", HELLO)
    done = python(
        """
        import asyncio, ctypes, sqlite3
        from capsule import run
        print(asyncio.run(run(file="./main.py"))["result"], ctypes.sizeof(ctypes.c_int))
        """
    )
    assert done.stdout == "Hello from Capsule! 4\n", done
