"""``capsule explain``: the effective policy, value by value, and why."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import struct
import subprocess
import time
from fcntl import ioctl
from termios import TIOCSWINSZ

import pytest

from capsule import events
from capsule.artifact.manifest import Manifest, Task
from capsule.artifact.sections import pack, parse
from capsule.errors import Location
from capsule.frontend.manager import plugins
from capsule.launch.prepare import prepare
from capsule.launch.start import start
from capsule.policy.limits import Limits
from capsule.policy.model import Policy, TaskPolicy
from capsule.policy.options import OPTIONS

SOURCE = """
    from capsule import task

    @task(
        name="main",
        compute="LOW",
        ram="1GB",
        allowed_files=["out", {"path": "in", "mode": "ro"}],
        allowed_hosts=["api.example.com"],
        env_variables=["CAPSULE_TEST_SET", "CAPSULE_TEST_UNSET"],
    )
    def main():
        return 1

    @task(name="other")
    def other():
        return 2
"""

SETTINGS = """
    [tasks]
    default_timeout = "30s"
    default_max_retries = 2

    [limits]
    ram = "256MB"
    tasks = 5
"""


@pytest.fixture
def explain(project, cli):
    """Writes a source and its settings, and gives what ``explain --json`` says of it."""

    def run(*arguments, source=SOURCE, settings=SETTINGS, env=None):
        project.write("main.py", source)
        project.write("capsule.toml", settings)
        done = cli("explain", "main.py", *arguments, "--json", env=env)
        assert done.status == 0, done
        return json.loads(done.stdout)

    return run


def test_every_value_says_where_it_came_from_and_what_cut_it(explain):
    main, other = explain()["tasks"]
    assert (main["name"], main["file"], main["line"]) == ("main", "main.py", 3)
    ram = main["policy"]["ram"]
    assert ram == {
        "effective": 256 << 20,
        "declared": 1 << 30,
        "origin": "main.py:3",
        "ceiling": 256 << 20,
        "ceiling_origin": "[limits] ram (capsule.toml:6)",
        "cut": True,
    }
    assert other["policy"]["ram"]["declared"] is None
    assert other["policy"]["ram"]["origin"] == "built-in"
    assert other["policy"]["ram"]["effective"] == 256 << 20
    assert main["policy"]["compute"]["origin"] == "main.py:3"
    assert not main["policy"]["compute"]["cut"]
    assert main["policy"]["timeout"]["origin"] == "capsule.toml:2 default_timeout"
    assert main["policy"]["max_retries"]["origin"] == "capsule.toml:3 default_max_retries"
    assert other["policy"]["allowed_hosts"]["origin"] == "built-in"


def test_the_limits_of_the_run_are_there_with_their_origins(explain):
    limits = explain("--limit", "depth=3", "--limit", "tasks=9")["limits"]
    assert limits["tasks"] == {"value": 5, "origin": "[limits] tasks (capsule.toml:7)"}
    assert limits["depth"] == {"value": 3, "origin": "--limit depth"}
    assert limits["output_bytes"] == {"value": 10 << 20, "origin": "built-in"}
    assert limits["http_requests"] == {"value": None, "origin": "built-in"}
    assert "origins" not in limits
    assert not set(limits) & set(explain()["tasks"][0]["policy"])


def test_an_argument_that_is_narrower_is_what_cuts(explain):
    ram = explain("main", "--limit", "ram=64MB")["tasks"][0]["policy"]["ram"]
    assert (ram["effective"], ram["ceiling_origin"]) == (64 << 20, "--limit ram")
    ram = explain("main", "--limit", "ram=512MB")["tasks"][0]["policy"]["ram"]
    assert (ram["effective"], ram["ceiling_origin"]) == (256 << 20, "[limits] ram (capsule.toml:6)")


def test_folders_are_told_with_where_they_lead_and_none_is_made(explain, project):
    folders = explain("main")["tasks"][0]["folders"]
    root = os.path.realpath(project.root)
    assert folders == [
        {
            "guest": "/out",
            "host": f"{root}/out",
            "mode": "read-write",
            "state": "to be made",
            "problem": None,
        },
        {"guest": "/in", "host": f"{root}/in", "mode": "read-only", "state": "missing", "problem": None},
    ]
    assert not (project / "out").exists()
    (project / "out").mkdir()
    (project / "in").symlink_to("/etc")
    out, inside = explain("main")["tasks"][0]["folders"]
    assert out["state"] == "exists"
    assert inside["state"] == "refused"
    assert "leads out of the project" in inside["problem"]


def test_a_folder_that_decides_what_runs_next_is_told_to_be_refused(explain):
    source = "from capsule import task\n\n@task(allowed_files=['.'])\ndef main():\n    return 1\n"
    [folder] = explain("main", source=source)["tasks"][0]["folders"]
    assert folder["state"] == "refused"
    assert "decides what runs next" in folder["problem"]


def test_variables_are_told_to_be_set_and_never_their_values(explain, project, cli):
    env = {"CAPSULE_TEST_SET": "zq-never-shown"}
    main = explain("main", env=env)["tasks"][0]
    assert main["env_variables"] == [
        {"name": "CAPSULE_TEST_SET", "set": True},
        {"name": "CAPSULE_TEST_UNSET", "set": False},
    ]
    project.write(".env", "CAPSULE_TEST_UNSET=zq-from-file\n")
    assert all(one["set"] for one in explain("main", env=env)["tasks"][0]["env_variables"])
    for arguments in ((), ("--json",)):
        done = cli("explain", "main.py", *arguments, env=env)
        assert "CAPSULE_TEST_SET" in done.stdout
        assert "zq-" not in done.stdout + done.stderr


def test_secrets_are_told_with_their_hosts_and_never_their_values(explain, project, cli):
    source = "from capsule import task\n\n@task(secrets=['TOKEN', 'NONE'])\ndef main():\n    return 1\n"
    settings = '[secrets]\nTOKEN = { env = "CAPSULE_TEST_TOKEN", hosts = ["api.example.com"] }\n'
    env = {"CAPSULE_TEST_TOKEN": "zq-0123456789"}
    token, none = explain("main", source=source, settings=settings, env=env)["tasks"][0]["secrets"]
    assert (token["name"], token["set"]) == ("TOKEN", True)
    assert "api.example.com" in token["note"]
    assert (none["set"], "refused" in none["note"]) == (False, True)
    assert "zq-" not in cli("explain", "main.py", env=env).stdout


def test_a_mount_is_told_with_where_it_leads_and_whether_it_would_be_refused(explain, project, tmp_path):
    (tmp_path / "data").mkdir()
    [mount] = explain("--mount", f"{tmp_path}/data::/data:ro")["mounts"]
    assert mount["guest"] == "/data"
    assert mount["host"] == os.path.realpath(tmp_path / "data")
    assert (mount["mode"], mount["state"]) == ("read-only", "exists")
    [mount] = explain("--mount", ".::/all")["mounts"]
    assert mount["state"] == "refused"


def test_what_a_ceiling_would_refuse_is_told_as_that(explain):
    settings = '[limits]\nram = "256MB"\non_exceed = "refuse"\n'
    main, other = explain(settings=settings)["tasks"]
    assert "ram = 1073741824 (main.py:3) is over the ceiling 268435456" in main["refusal"]
    assert "[limits] ram (capsule.toml:2)" in main["refusal"]
    assert other["refusal"] is None


def test_deny_all_is_told_as_what_cut_every_grant(explain):
    main = explain("main", "--deny-all")["tasks"][0]
    for name in ("allowed_files", "allowed_hosts", "env_variables"):
        value = main["policy"][name]
        assert value["effective"] == []
        assert value["declared"]
        assert value["ceiling_origin"] == f"--deny-all {name}"
    assert main["folders"] == main["env_variables"] == main["secrets"] == []
    assert not main["policy"]["compute"]["cut"]


def test_an_artifact_is_explained_like_its_source(explain, project, cli):
    here = explain()
    assert cli("build", "main.py", "--export").status == 0
    (project / "main.py").unlink()
    there = json.loads(cli("explain", "main.wasm", "--json").stdout)
    assert there["limits"] == here["limits"]
    assert [task["name"] for task in there["tasks"]] == ["main", "other"]
    for mine, its in zip(here["tasks"], there["tasks"], strict=True):
        for name, value in mine["policy"].items():
            assert its["policy"][name]["effective"] == value["effective"]
            # A default's line is of the settings that lie here; an artifact may have been built by others.
            stripped = re.sub(r"capsule\.toml:\d+ ", "capsule.toml ", value["origin"])
            assert its["policy"][name]["origin"] == stripped
    assert there["signed_by"] == []


def test_what_is_explained_is_what_runs(explain, project):
    """The journal's policy of a run is the explanation's, value by value."""
    explained = explain("main", "--limit", "timeout=7s")["tasks"][0]["policy"]
    seen = []
    prepared = prepare(project / "main.py", project.root, plugins(), progress=lambda _: None)
    limits = Limits.parse({"timeout": "7s"})
    execution = start(
        *(prepared, "main", [], {}), cwd=project.root, limits=limits, sinks=(seen.append,), on_problem=print
    )
    assert execution.done.wait(60)
    [started] = [event for event in seen if isinstance(event, events.TaskStarted)]
    ran = json.loads(started.policy)
    ran.pop("origins")
    assert ran == {name: value["effective"] for name, value in explained.items()}


# For people


def test_each_line_that_is_piped_stands_for_itself(explain, cli):
    explain()
    lines = cli("explain", "main.py").stdout.splitlines()
    assert all(line.split()[0] in ("main", "other", "(run)") for line in lines)
    [ram] = [line for line in lines if re.match(r"main +ram ", line)]
    assert "256 MiB" in ram
    assert "declared 1 GiB (main.py:3), cut by [limits] ram (capsule.toml:6)" in ram
    assert "\x1b" not in "".join(lines)


def test_a_task_that_is_not_there_is_an_error_with_the_nearest_name(project, cli, said):
    project.write("main.py", SOURCE)
    said(cli("explain", "main.py", "mian"), "declares no task 'mian'", 'did you mean "main"?', status=2)
    said(cli("explain", "nothing.py"), "no such file", status=2)


def on_a_terminal(project, command, columns, **env):
    leader, follower = pty.openpty()
    ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    child = subprocess.Popen(
        command,
        cwd=project.root,
        env=environment | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | env,
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.PIPE,
    )
    os.close(follower)
    shown, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([leader], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(leader, 65536)
        except OSError:  # what Linux says when the other side is closed
            break
        if not data:
            break
        shown += data
    os.close(leader)
    assert child.wait(10) == 0, child.stderr.read()
    child.stderr.close()
    return shown.decode()


ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.mark.parametrize("columns", [40, 60, 100, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_lost(explain, project, command, columns):
    explain()
    shown = on_a_terminal(project, [command, "explain", "main.py"], columns)
    lines = ESCAPE.sub("", shown).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= columns
    words = "".join("".join(lines).split())
    for word in ("256MiB", "declared1GiB", "cutby[limits]ram", "default_max_retries", "allow_project_writes"):
        assert word in words, word
    assert "..." not in words
    assert "\u2026" not in words


def test_colour_is_for_terminals_that_want_it(explain, project, command):
    explain()
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    assert coloured.search(on_a_terminal(project, [command, "explain", "main.py"], 100))
    assert not coloured.search(on_a_terminal(project, [command, "explain", "main.py"], 100, NO_COLOR="1"))


def test_hostile_names_and_origins_of_an_artifact_do_not_reach_the_terminal(project, command):
    evil = "\x1b]0;owned\x07\x9b31m\u202e[red]main"
    origins = dict.fromkeys(OPTIONS, evil)
    task = Task("[red]main", TaskPolicy(Policy(), origins), Location(evil, 1))
    data = pack(
        Manifest(evil, "0", "wat", "1", {"[red]main": task}, {}),
        component=b"\0asm\x0d\x00\x01\x00\x00\x02\x01n",
    )
    assert parse(data, name="x").manifest.tasks
    (project / "main.wasm").write_bytes(data)
    shown = on_a_terminal(project, [command, "explain", "main.wasm"], 100)
    plain = ESCAPE.sub("", shown)
    assert not [character for character in plain if not (character.isprintable() or character in "\r\n")]
    assert "[red]main" in plain.replace("\n", "").replace("\r", "").replace(" ", "")
