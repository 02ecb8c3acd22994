"""Attacks on ``--deny-all``: tasks that declare everything, and try to have some of it all the same."""

from __future__ import annotations

import json
import re

import pytest

from capsule import CapsuleError, run_sync
from capsule.policy.limits import Limits
from capsule.policy.model import GRANTS, Policy
from capsule.policy.options import OPTIONS

SETTINGS = """
    [tasks]
    default_allowed_hosts = ["*"]
    default_env_variables = ["CAPSULE_TEST_SECRET"]

    [secrets]
    TOKEN = { env = "CAPSULE_TEST_TOKEN", hosts = ["127.0.0.1"], allow_http = true }
"""

GREEDY_PYTHON = """
    import os
    from capsule import task, http

    @task(name="helper", allowed_files=["data"], env_variables=["CAPSULE_TEST_SECRET"], secrets=["TOKEN"])
    def helper(url):
        return attempt(url)

    @task(
        name="main", compute="HIGH", ram="256MB", timeout="20s",
        allowed_files=["data", {"path": "in", "mode": "ro"}], allowed_hosts=["127.0.0.1", "*"],
        env_variables=["CAPSULE_TEST_SECRET", "HOME"], secrets=["TOKEN"], tools=["search"],
    )
    def main(url):
        return [attempt(url), helper(url).unwrap()]

    def attempt(url):
        found = {"environment": sorted(os.environ), "files": [], "requests": []}
        for path in ("data/s.txt", "in/s.txt", "/data/s.txt", "main.py", "/etc/passwd", ".env"):
            try:
                found["files"].append(open(path).read())
            except OSError:
                pass
        for path in ("data/new", "new", "/new", "/tmp/new"):
            try:
                open(path, "w").write("x")
                found["files"].append(path)
            except OSError:
                pass
        for target in (url, "http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"):
            try:
                found["requests"].append(http.get(target).status_code)
            except Exception as error:
                found["requests"].append(str(error))
        return found
"""

GREEDY_TYPESCRIPT = """
    import { task } from "@capsule-run/sdk";
    import { readFileSync, writeFileSync } from "node:fs";

    async function attempt(url: string) {
      const found: any = { environment: Object.keys(process.env).sort(), files: [], requests: [] };
      for (const path of ["data/s.txt", "in/s.txt", "/data/s.txt", "main.ts", "/etc/passwd", ".env"]) {
        try { found.files.push(readFileSync(path, "utf8")); } catch {}
      }
      for (const path of ["data/new", "new", "/new", "/tmp/new"]) {
        try { writeFileSync(path, "x"); found.files.push(path); } catch {}
      }
      for (const target of [url, "http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"]) {
        try {
          found.requests.push((await fetch(target)).status);
        } catch (error) {
          found.requests.push(String(error));
        }
      }
      return found;
    }

    export const helper = task({
      name: "helper", allowedFiles: ["data"], envVariables: ["CAPSULE_TEST_SECRET"], secrets: ["TOKEN"],
    }, async (url: string) => attempt(url));

    export const main = task({
      name: "main", compute: "HIGH", ram: "256MB", timeout: "20s",
      allowedFiles: ["data", { path: "in", mode: "ro" }], allowedHosts: ["127.0.0.1", "*"],
      envVariables: ["CAPSULE_TEST_SECRET", "HOME"], secrets: ["TOKEN"], tools: ["search"],
    }, async (url: string) => [await attempt(url), (await helper(url)).result]);
"""

SOURCES = {"main.py": GREEDY_PYTHON, "main.ts": GREEDY_TYPESCRIPT}


@pytest.fixture
def greedy(project, monkeypatch):
    """A project whose tasks ask for everything, with something to be had everywhere."""
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    monkeypatch.setenv("CAPSULE_TEST_TOKEN", "token-0123456789")
    project.write("capsule.toml", SETTINGS)
    project.write(".env", "CAPSULE_TEST_SECRET=from the file\n")
    for name in ("data/s.txt", "in/s.txt"):
        project.write(name, "a secret")
    for name, text in SOURCES.items():
        project.write(name, text)
    return project


def found_nothing(attempts, server):
    assert len(attempts) == 2, attempts
    for found in attempts:
        assert not {"CAPSULE_TEST_SECRET", "HOME", "TOKEN"} & set(found["environment"]), found
        assert found["files"] == []
        assert len(found["requests"]) == 4
        for denial in found["requests"]:
            assert re.search("(--deny-all|limits=) allowed(_hosts|Hosts)", denial), denial
    assert server.asked == []


@pytest.mark.parametrize("file", SOURCES)
def test_a_declaration_of_everything_is_void(greedy, cli, server, file):
    done = cli("run", file, server.url, "--deny-all", "--json")
    assert done.status == 0, done
    found_nothing(done.envelope.result, server)
    assert not (greedy / "data/new").exists()


@pytest.mark.parametrize("file", SOURCES)
def test_without_it_the_same_declaration_gets_all_of_it(greedy, server, file):
    """The attack has something to gain: what it finds nothing of above is there."""
    main, helper = run_sync(greedy / file, [server.url], cwd=greedy.root).unwrap()
    assert {"CAPSULE_TEST_SECRET", "TOKEN"} <= set(main["environment"])
    assert "a secret" in main["files"]
    assert 200 in main["requests"]
    assert "TOKEN" in helper["environment"]


def test_an_artifact_is_denied_like_its_source(greedy, cli, server):
    assert cli("build", "main.py", "--export").status == 0
    (greedy / "main.py").unlink()
    done = cli("exec", "main.wasm", server.url, "--deny-all", "--json")
    found_nothing(done.envelope.result, server)


def test_limits_in_code_with_an_empty_list_for_each_grant_are_the_same(greedy, server):
    limits = {name: [] for name in GRANTS}
    found_nothing(run_sync(greedy / "main.py", [server.url], cwd=greedy.root, limits=limits).unwrap(), server)
    parsed = Limits.parse(limits)
    assert parsed == Limits.deny_all()


def test_nothing_that_is_given_beside_it_brings_a_grant_back(greedy, cli, server):
    limits = [
        *("--limit", "allowed_hosts=127.0.0.1"),
        *("--limit", "env_variables=HOME,CAPSULE_TEST_SECRET"),
        *("--limit", "allowed_files=data:rw"),
        *("--limit", "allow_project_writes=true"),
    ]
    done = cli("run", "main.py", server.url, "--deny-all", "--json", *limits)
    found_nothing(done.envelope.result, server)


@pytest.mark.parametrize("command", ["run", "explain"])
@pytest.mark.parametrize(
    ("option", "words"),
    [("--mount", "gives a task no folders"), ("--env-file", "gives a task no variables")],
)
def test_what_gives_and_denies_at_once_is_an_error(greedy, cli, said, command, option, words):
    greedy.write("more.env", "A=b\n")
    done = cli(command, "main.py", "--deny-all", option, "data" if option == "--mount" else "more.env")
    said(done, words, option, "leave one of them out", status=2)


def test_what_was_denied_is_told_with_its_rule(greedy, cli, server):
    done = cli("run", "main.py", server.url, "--deny-all", "--verbose")
    for name in GRANTS:
        assert f"capped by --deny-all {name}" in done.stderr, name
    assert "refused by allowed_hosts" in done.stderr
    runs = json.loads(cli("trace", "--json").stdout)["runs"]
    shown = json.loads(cli("trace", runs[0]["id"], "--json").stdout)
    assert "capped by --deny-all allowed_files" in json.dumps(shown)


def test_cpu_memory_time_clock_and_randomness_stay(project):
    envelope = project.run(
        """
        import random, secrets, time
        from capsule import task

        @task(name="main", compute="MEDIUM", ram="512MB", timeout="20s", max_retries=1)
        def main():
            started = time.monotonic()
            time.sleep(0.01)
            size = len(bytearray(50_000_000))
            late = time.monotonic() > started
            return [size, secrets.token_hex(8) != secrets.token_hex(8), late, time.time() > 1e9]
        """,
        limits={name: [] for name in GRANTS},
    )
    assert envelope.unwrap() == [50_000_000, True, True, True]


def test_under_on_exceed_refuse_a_greedy_file_does_not_start_at_all(greedy, server):
    limits = {name: [] for name in GRANTS} | {"on_exceed": "refuse"}
    with pytest.raises(CapsuleError, match=r"over the ceiling \[\], limits= allowed_files"):
        run_sync(greedy / "main.py", [server.url], cwd=greedy.root, limits=limits)


def test_every_option_that_gives_something_of_the_world_is_denied():
    """A new option of a task that holds a list is a grant, until somebody says otherwise."""
    assert set(GRANTS) == {name for name in OPTIONS if isinstance(getattr(Policy(), name), tuple)}
