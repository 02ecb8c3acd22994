"""Monorepos: which members a workspace has, what is built of them, and why."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from capsule.errors import ConfigError
from capsule.frontend.manager import plugins
from capsule.project.opened import open_project
from capsule.workspace.selection import select

PYTHON = """
    from capsule import task
    from libs.numbers import double

    @task(name="main")
    def main(value=21):
        return double(value)
"""

TYPESCRIPT = """
    import { triple } from "../../libs/numbers";

    export const main = (value = 4) => triple(value);
"""


@pytest.fixture
def monorepo(project):
    """Three members in two languages, over a library of each."""
    project.write("capsule.toml", '[workspace]\nmembers = ["services/*", "agents/**/main.{py,ts}"]\n')
    project.write("libs/numbers.py", "def double(n):\n    return 2 * n\n")
    project.write("libs/numbers.ts", "export const triple = (n: number) => 3 * n;\n")
    project.write("services/billing/main.py", PYTHON)
    project.write("services/mail/main.py", "def main():\n    return 'sent'\n")
    project.write("agents/deep/main.ts", TYPESCRIPT.replace("../../", "../../"))
    settle()
    return project


def settle():
    """Lets the clock go on: what was written in this instant would be looked at again, and rightly so."""
    time.sleep(0.03)


@pytest.fixture
def build(cli):
    """Builds and gives the members' rows by name, and the summary."""

    def run(*arguments, status=0, cwd=None, env=None):
        done = cli("build", *arguments, "--json", cwd=cwd, env=env)
        assert done.status == status, done
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        summary = rows.pop()["summary"]
        return {row["member"]: row for row in rows}, summary

    return run


def states(rows):
    return {name: row["state"] for name, row in rows.items()}


ALL = ("agents/deep/main.ts", "services/billing/main.py", "services/mail/main.py")


def test_a_build_without_arguments_builds_every_member_once_and_then_none(monorepo, build):
    rows, summary = build()
    assert states(rows) == dict.fromkeys(ALL, "built")
    assert summary["built"] == summary["members"] == 3
    assert [row["language"] for row in rows.values()] == ["javascript", "python", "python"]
    for row in rows.values():
        assert (monorepo / row["artifact"]).stat().st_size == row["bytes"]
    rows, summary = build()
    assert states(rows) == dict.fromkeys(ALL, "hit")
    assert (summary["hit"], summary["built"], summary["failed"]) == (3, 0, 0)


def test_the_table_shows_member_language_state_time_size_and_artifact(monorepo, cli):
    done = cli("build")
    assert done.status == 0, done
    head, *rows, summary = done.stdout.splitlines()
    assert head.split() == ["MEMBER", "LANGUAGE", "STATE", "TIME", "SIZE", "ARTIFACT"]
    assert [row.split()[:3] for row in rows] == [
        ["agents/deep/main.ts", "javascript", "built"],
        ["services/billing/main.py", "python", "built"],
        ["services/mail/main.py", "python", "built"],
    ]
    assert all(row.split()[-1].startswith(".capsule/wasm/main_") for row in rows)
    assert summary.startswith("3 members: 3 built in ")


def test_members_run_with_what_they_share_and_use_the_artifacts_of_the_build(monorepo, cli, build):
    build()
    artifacts = monorepo.artifacts()
    assert cli("run", "services/billing/main.py").stdout == "42\n"
    assert cli("run", "agents/deep/main.ts").stdout == "12\n"
    assert cli("run", "main.ts", cwd=monorepo / "agents/deep").stdout == "12\n"
    assert monorepo.artifacts() == artifacts


def test_folders_patterns_and_the_working_directory_choose_members(monorepo, build):
    assert set(build("services")[0]) == set(ALL[1:])
    assert set(build("services/b*", "agents")[0]) == {ALL[0], ALL[1]}
    assert set(build(cwd=monorepo / "agents")[0]) == {ALL[0]}
    assert set(build("../services/mail", cwd=monorepo / "agents")[0]) == {ALL[2]}


def test_a_failed_member_does_not_stop_the_others_and_says_where(monorepo, cli, build):
    monorepo.write("services/mail/main.py", "def main(:\n    pass\n")
    monorepo.write("agents/deep/main.ts", 'import "./missing";\nexport const main = () => 1;\n')
    rows, summary = build(status=3)
    assert states(rows) == {ALL[0]: "failed", ALL[1]: "built", ALL[2]: "failed"}
    assert (summary["failed"], summary["built"]) == (2, 1)
    assert (rows[ALL[2]]["error"]["file"], rows[ALL[2]]["error"]["line"]) == ("services/mail/main.py", 1)
    assert rows[ALL[0]]["error"]["file"] == "agents/deep/main.ts"
    done = cli("build")
    assert done.status == 3
    assert "error: services/mail/main.py:1: " in done.stderr
    assert "error: agents/deep/main.ts:1: " in done.stderr
    assert "Traceback" not in done.stderr


def test_what_several_members_have_in_common_is_told_once_and_what_names_no_file_says_whose_it_is(
    monorepo, cli
):
    bad = {"CAPSULE_CACHE_REMOTE": "nonsense", "CAPSULE_CACHE_KEY": "0" * 64}
    done = cli("build", env=bad)
    assert done.status == 3
    assert done.stderr.count("error: ") == 1
    assert "(3 members, agents/deep/main.ts for one)" in done.stderr
    assert "error: agents/deep/main.ts: the shared cache can't" in cli("build", "agents", env=bad).stderr


def test_artifacts_that_can_not_be_kept_are_told_of(monorepo, cli):
    monorepo.write(".capsule/wasm", "a file, where the store's folder would be")
    done = cli("build")
    assert done.status == 0, done
    assert "not kept" in done.stdout
    assert "warning: 3 artifacts could not be kept" in done.stderr


def test_the_problem_matchers_of_the_documentation_find_file_line_and_message(monorepo, cli):
    monorepo.write("services/mail/main.py", "X = 1\ndef main(:\n    pass\n")
    stderr = cli("build").stderr
    page = (Path(__file__).parent.parent / "docs/monorepo.md").read_text()
    patterns = [
        json.loads(f'"{text}"') for text in re.findall(r'"regexp": "(.*?)", "file": 1, "line": 2', page)
    ]
    assert len(patterns) == 2
    for pattern in patterns:
        [(file, line, message)] = re.findall(pattern, stderr, re.MULTILINE)
        assert (file, line) == ("services/mail/main.py", "2")
        assert "syntax" in message


def test_a_plugin_that_breaks_on_one_member_is_that_members_error(monorepo, python):
    done = python("""
        import json
        from pathlib import Path
        from capsule.frontend.manager import plugins
        from capsule.workspace.builder import Builder
        from capsule.workspace.selection import select

        selection = select((), Path.cwd(), plugins())
        frontend = plugins().frontend_for(Path("x.py"))
        honest = frontend.inputs
        def inputs(source, host):
            if "mail" in source.name:
                raise RuntimeError("out of luck")
            return honest(source, host)
        frontend.inputs = inputs
        builder = Builder(plugins(), selection.settings, progress=lambda message: None)
        for result in builder.build_all(selection.members, 2):
            print(result.member.name, result.state, result.error.message if result.error else "")
    """)
    assert done.status == 0, done
    lines = sorted(done.stdout.splitlines())
    assert [line.split()[1] for line in lines] == ["built", "built", "failed"]
    assert "RuntimeError: out of luck" in lines[2]


# What a pattern may name.


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["services/*"], ["services/billing/main.py", "services/mail/main.py"]),
        (["**/main.ts"], ["agents/deep/main.ts"]),
        (["{services,agents}/*"], list(ALL)),
        (["services/mail/main.py"], ["services/mail/main.py"]),
        (["**/main.{py,ts}", "!services/mail"], list(ALL[:2])),
        (["services/*", "services/mail", "services/m?il/*.py"], list(ALL[1:])),
        (["**", "!libs"], list(ALL)),
    ],
)
def test_patterns_have_wildcards_braces_and_exclusions(monorepo, members, expected):
    monorepo.write("capsule.toml", f"[workspace]\nmembers = {json.dumps(members)}\n")
    assert named(monorepo) == expected


def named(monorepo):
    return [member.name for member in select((), monorepo.root, plugins()).members]


def test_hidden_and_installed_folders_hold_no_members(monorepo):
    for folder in (
        ".venv/lib",
        "node_modules/x",
        ".capsule/x",
        "services/.old",
        "venv/x",
        "a/node_modules/b",
    ):
        monorepo.write(f"{folder}/main.py", "def main():\n    return 1\n")
    monorepo.write("capsule.toml", '[workspace]\nmembers = ["**/main.{py,ts}", "services/*"]\n')
    assert named(monorepo) == list(ALL)


def test_a_link_out_of_the_workspace_is_refused(monorepo, cli, said, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "main.py").write_text("def main():\n    return 1\n")
    (monorepo / "services/evil").symlink_to(outside)
    said(cli("build"), "capsule.toml:2", "evil leads out of the workspace", "hint:", status=2)
    monorepo.write("capsule.toml", '[workspace]\nmembers = ["services/*", "!services/evil"]\n')
    assert cli("build").status == 0


def test_a_member_that_two_links_lead_to_is_one_member(monorepo):
    (monorepo / "services/alias").symlink_to(monorepo / "services/mail")
    assert named(monorepo) == list(ALL)


@pytest.mark.parametrize("name", ["new\nline", "esc\x1b[31m", os.fsdecode(b"b\xff")])
def test_a_member_whose_name_can_not_be_shown_is_refused(monorepo, cli, said, name):
    folder = monorepo.root / "services" / name
    folder.mkdir()
    (folder / "main.py").write_text("")
    done = cli("build")
    said(done, "capsule.toml:2: ", "that can't be shown", status=2)
    assert "\x1b" not in done.stderr


def test_a_workspace_whose_members_are_all_taken_away_says_so(monorepo, cli, said):
    monorepo.write("capsule.toml", '[workspace]\nmembers = ["services/*", "!**"]\n')
    said(cli("build"), "has no members", "! patterns", status=2)


def test_a_folder_with_several_entrypoints_is_an_error_that_names_them(monorepo, cli, said):
    monorepo.write("services/mail/main.ts", "export const main = () => 1;\n")
    said(cli("build"), "services/mail has several entrypoints: main.py, main.ts", "hint:", status=2)
    monorepo.write("services/mail/capsule.toml", '[workflow]\nentrypoint = "main.ts"\n')
    assert cli("build", "services/mail").status == 0


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ('"services/*"', "not a list"),
        ("[]", "from 1 to"),
        ('["../x"]', '".."'),
        ('["/etc/*"]', "absolute"),
        ('["a/{b,c"]', "brace"),
        ('["!a"]', "nothing but exclusions"),
        ('["servces/*"]', "names no source"),
        ('["libs"]', "no entrypoint"),
        ('["{0,1}{0,1}{0,1}{0,1}{0,1}{0,1}{0,1}{0,1}{0,1}{0,1}{0,1}"]', "more than"),
    ],
)
def test_a_bad_pattern_is_told_with_its_line(monorepo, members, words):
    monorepo.write("capsule.toml", f"[workspace]\nmembers = {members}\n")
    with pytest.raises(ConfigError) as caught:
        select((), monorepo.root, plugins())
    assert words in caught.value.message
    assert str(caught.value.location) == "capsule.toml:2"
    assert caught.value.hint


# Settings of members.


def test_a_members_own_settings_win_and_never_loosen_the_workspaces_ceilings(monorepo, cli):
    monorepo.write(
        "capsule.toml",
        """
        [workspace]
        members = ["services/*"]
        [tasks]
        default_timeout = "9s"
        default_ram = "64MB"
        [limits]
        ram = "128MB"
        compute = "LOW"
        allowed_files = ["services/mail/data"]
    """,
    )
    monorepo.write(
        "services/mail/capsule.toml",
        """
        [workflow]
        entrypoint = "main.py"
        [tasks]
        default_ram = "512MB"
        default_allowed_files = ["./data", "./other"]
        [limits]
        ram = "2GB"
        compute = "HIGH"
        allow_project_writes = true
    """,
    )
    [task] = json.loads(cli("tasks", "services/mail/main.py", "--json").stdout)
    effective = task["effective"]
    assert effective["ram"] == 128 << 20
    assert effective["compute"] == 1_000_000_000
    assert effective["timeout"] == 9.0
    assert [grant["path"] for grant in effective["allowed_files"]] == ["data"]
    writes = cli("run", "services/mail/main.py", "--mount", "services/mail::/x:rw")
    assert writes.status == 2, writes


def test_a_member_cannot_send_a_secret_of_the_workspace_elsewhere(monorepo):
    monorepo.write(
        "capsule.toml",
        """
        [workspace]
        members = ["services/*"]
        [secrets]
        KEY = { env = "KEY", hosts = ["api.example.com"] }
    """,
    )
    monorepo.write(
        "services/mail/capsule.toml",
        """
        [secrets]
        KEY = { env = "KEY", hosts = ["evil.example"] }
        OWN = { env = "OWN", hosts = ["mail.example.com"] }
    """,
    )
    project = open_project(monorepo / "services/mail/main.py", monorepo.root, plugins())
    hosts = {name: secret.hosts for name, secret in project.config.secrets.items()}
    assert hosts == {"KEY": ("api.example.com",), "OWN": ("mail.example.com",)}


def test_ceilings_hold_for_what_is_no_member_too(monorepo, cli):
    monorepo.write("capsule.toml", '[workspace]\nmembers = ["services/*"]\n[limits]\ncompute = "LOW"\n')
    monorepo.write("vendor/thing/main.py", "def main():\n    return 1\n")
    monorepo.write("vendor/thing/capsule.toml", '[limits]\ncompute = "HIGH"\n')
    [task] = json.loads(cli("tasks", "vendor/thing/main.py", "--json").stdout)
    assert task["effective"]["compute"] == 1_000_000_000


def test_a_nested_workspace_is_refused_where_it_is_written(monorepo, cli, said):
    monorepo.write("services/mail/capsule.toml", '[workspace]\nmembers = ["*"]\n')
    said(cli("run", "services/mail/main.py"), "services/mail/capsule.toml:2", "a workspace inside", status=2)


def test_a_member_with_settings_has_its_own_root_for_files_and_runs(monorepo, cli):
    monorepo.write("services/mail/capsule.toml", '[workflow]\nentrypoint = "main.py"\n')
    monorepo.write("services/mail/data/in.txt", "hello")
    monorepo.write(
        "services/mail/main.py",
        """
        from capsule import task
        from libs.numbers import double
        from letters import greet

        @task(name="main", allowed_files=["./data"])
        def main():
            return greet(open("data/in.txt").read()) * double(1)
    """,
    )
    monorepo.write("services/mail/letters/__init__.py", "def greet(text):\n    return text + '!'\n")
    done = cli("run", cwd=monorepo / "services/mail")
    assert (done.status, done.stdout) == (0, "hello!hello!\n"), done
    assert (monorepo / "services/mail/.capsule/trace.db").is_file()
    assert monorepo.artifacts()


def test_an_error_in_a_members_settings_names_that_file(monorepo, cli, said):
    monorepo.write("services/mail/capsule.toml", "[workflow]\n\nentry = 1\n")
    said(cli("run", "services/mail/main.py"), "services/mail/capsule.toml:3", status=2)


def test_python_paths_add_import_roots(monorepo, cli):
    monorepo.write("capsule.toml", '[workspace]\nmembers = ["services/*"]\n[python]\npaths = ["libs"]\n')
    monorepo.write("services/mail/main.py", "import numbers_too\ndef main():\n    return numbers_too.X\n")
    monorepo.write("libs/numbers_too.py", "X = 7\n")
    assert cli("run", "services/mail/main.py").stdout == "7\n"
    monorepo.write("capsule.toml", '[workspace]\nmembers = ["services/*"]\n[python]\npaths = ["../libs"]\n')
    assert "paths" in cli("run", "services/mail/main.py").stderr


def test_npm_workspaces_and_tsconfig_paths_share_typescript(monorepo, cli):
    monorepo.write("package.json", '{"name": "mono", "private": true, "workspaces": ["packages/*"]}')
    monorepo.write("packages/words/package.json", '{"name": "@mono/words", "main": "index.ts"}')
    monorepo.write("packages/words/index.ts", 'export const word: string = "npm";\n')
    (monorepo / "node_modules/@mono").mkdir(parents=True)
    (monorepo / "node_modules/@mono/words").symlink_to("../../packages/words")
    monorepo.write("tsconfig.json", '{"compilerOptions": {"paths": {"#libs/*": ["./libs/*"]}}}')
    monorepo.write(
        "agents/deep/main.ts",
        """
        import { word } from "@mono/words";
        import { triple } from "#libs/numbers";
        export const main = () => word + triple(2);
    """,
    )
    assert cli("run", "agents/deep/main.ts").stdout == "npm6\n"


# What is built again, and why.


def because(rows):
    return {name: row["because"] for name, row in rows.items() if row["state"] == "built"}


def test_a_change_builds_what_it_touches_and_says_why(monorepo, build):
    build()
    monorepo.write("libs/numbers.py", "def double(n):\n    return n + n\n")
    assert because(build()[0]) == {ALL[1]: ["changed libs/numbers.py"]}
    monorepo.write("libs/numbers.ts", "export const triple = (n: number) => n + n + n;\n")
    assert because(build()[0]) == {ALL[0]: ["changed libs/numbers.ts"]}
    monorepo.write("capsule.toml", (monorepo / "capsule.toml").read_text() + "[tasks]\n")
    assert because(build()[0]) == {name: ["changed capsule.toml"] for name in ALL}


def test_a_file_that_comes_into_being_and_shadows_an_import_is_noticed(monorepo, build):
    build()
    settle()
    build()
    monorepo.write("services/billing/libs/numbers.py", "def double(n):\n    return 0\n")
    [(name, reasons)] = because(build()[0]).items()
    assert name == ALL[1]
    assert "added services/billing/libs/numbers.py" in reasons
    assert "removed libs/numbers.py" in reasons


def test_content_that_changes_with_size_and_times_put_back_is_noticed(monorepo, build):
    """As git has it: times that somebody put back prove nothing."""
    library = monorepo / "libs/numbers.py"
    build()
    settle()
    build()
    before = library.stat()
    library.write_text(library.read_text().replace("2", "5"))
    os.utime(library, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states(build()[0])[ALL[1]] == "built"


def test_a_file_written_again_with_the_same_text_builds_nothing(monorepo, build):
    build()
    for name in ("libs/numbers.py", "services/mail/main.py", "libs/numbers.ts"):
        path = monorepo / name
        text = path.read_text()
        path.unlink()
        path.write_text(text)
    assert set(states(build()[0]).values()) == {"hit"}


def test_a_damaged_or_missing_artifact_is_built_again_and_says_so(monorepo, build):
    rows, _ = build()
    settle()
    build()
    (monorepo / rows[ALL[2]]["artifact"]).write_bytes(b"\0asm")
    (monorepo / rows[ALL[0]]["artifact"]).unlink()
    reason = ["the artifact was missing or damaged"]
    assert because(build()[0]) == {ALL[0]: reason, ALL[2]: reason}


def test_a_record_that_somebody_else_wrote_counts_for_nothing(monorepo, build, cli):
    build()
    settle()
    build()
    for record in (monorepo / ".capsule/inputs").glob("*.inputs"):
        forged = record.read_bytes().replace(b'"files":{', b'"files":{"x":["0",null],')
        record.chmod(0o644)
        record.write_bytes(forged)
    monorepo.write("services/mail/main.py", "def main():\n    return 'new'\n")
    assert states(build()[0])[ALL[2]] == "built"
    assert cli("run", "services/mail/main.py").stdout == "new\n"


@pytest.mark.parametrize("what", ["link", "file"])
def test_a_records_folder_that_is_something_else_is_left_alone(monorepo, build, tmp_path, what):
    outside = tmp_path / "outside"
    outside.mkdir()
    (monorepo / ".capsule").mkdir()
    if what == "link":
        (monorepo / ".capsule/inputs").symlink_to(outside)
    else:
        (monorepo / ".capsule/inputs").write_text("mine")
    assert set(states(build()[0]).values()) == {"built"}
    assert set(states(build()[0]).values()) == {"hit"}
    assert not list(outside.iterdir())


def explained(cli, *arguments):
    done = cli("build", "--explain", *arguments, "--json")
    return {row["member"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_explain_says_what_would_be_built_and_why_without_building(monorepo, cli, build):
    assert explained(cli, "services/mail")[ALL[2]]["because"] == ["never built here"]
    assert not monorepo.artifacts()
    build()
    assert set(explained(cli)) == set(ALL)
    monorepo.write("services/mail/helper.py", "X = 1\n")
    monorepo.write("services/mail/main.py", "import helper\ndef main():\n    return helper.X\n")
    row = explained(cli, "services/mail/main.py")[ALL[2]]
    assert row["state"] == "stale"
    assert row["because"] == ["added services/mail/helper.py", "changed services/mail/main.py"]
    build()
    row = explained(cli, "services/mail/main.py")[ALL[2]]
    assert row["state"] == "current"
    assert row["because"] == ["added services/mail/helper.py", "changed services/mail/main.py"]
    done = cli("build", "--explain", "services/mail")
    assert "up to date" in done.stdout
    assert "added services/mail/helper.py" in done.stdout


def test_explain_of_a_broken_member_says_what_is_wrong_with_it(monorepo, cli, said):
    monorepo.write("agents/deep/main.ts", 'import "./missing";\n')
    said(cli("build", "--explain", "agents"), "agents/deep/main.ts:1", status=3)


# Changes by git.


@pytest.fixture
def git(monorepo):
    """Runs git in the monorepo, which is committed."""

    def run(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
            cwd=monorepo.root,
            check=True,
            capture_output=True,
        )

    run("init", "-q", "-b", "main")
    run("add", "-A")
    run("commit", "-qm", "first")
    return run


def test_affected_builds_only_what_a_change_touches(monorepo, build, git):
    assert build("--affected")[0] == {}
    monorepo.write("libs/numbers.py", "def double(n):\n    return n + n\n")
    monorepo.write("README.md", "text\n")
    assert set(build("--affected")[0]) == {ALL[1]}
    git("commit", "-qam", "second")
    assert build("--affected")[0] == {}
    assert set(build("--affected", "--since", "HEAD~1")[0]) == {ALL[1]}


def test_since_a_branch_means_since_it_was_left(monorepo, build, git):
    git("checkout", "-qb", "topic")
    monorepo.write("libs/numbers.ts", "export const triple = (n: number) => n * 3;\n")
    git("commit", "-qam", "topic")
    git("checkout", "-q", "main")
    monorepo.write("services/mail/main.py", "def main():\n    return 'main'\n")
    git("commit", "-qam", "main")
    git("checkout", "-q", "topic")
    assert set(build("--affected", "--since", "main")[0]) == {ALL[0]}


def test_a_new_a_removed_and_a_settings_file_affect_members(monorepo, build, git):
    monorepo.write("services/mail/new.py", "X = 1\n")
    assert build("--affected")[0] == {}
    monorepo.write("services/mail/main.py", "import new\ndef main():\n    return new.X\n")
    git("add", "-A")
    git("commit", "-qm", "new")
    monorepo.write("services/mail/new.py", "X = 2\n")
    assert set(build("--affected")[0]) == {ALL[2]}
    git("commit", "-qam", "changed")
    (monorepo / "services/mail/new.py").unlink()
    monorepo.write("libs/new.py", "X = 3\n")
    monorepo.write("capsule.toml", (monorepo / "capsule.toml").read_text() + '[python]\npaths = ["libs"]\n')
    assert set(build("--affected")[0]) == set(ALL)
    git("add", "-A")
    git("commit", "-qm", "moved")
    monorepo.write("services/mail/capsule.toml", "[tasks]\n")
    assert set(build("--affected")[0]) == {ALL[2]}


def test_a_removed_module_affects_who_imported_it_on_a_fresh_checkout(monorepo, build, git):
    monorepo.write("services/billing/libs/numbers.py", "def double(n):\n    return 1\n")
    git("add", "-A")
    git("commit", "-qm", "shadow")
    assert not (monorepo / ".capsule/inputs").exists()
    (monorepo / "services/billing/libs/numbers.py").unlink()
    assert set(build("--affected")[0]) == {ALL[1]}


def test_affected_without_git_or_with_a_bad_revision_says_so(monorepo, cli, said, tmp_path):
    said(cli("build", "--affected"), "no git repository", "hint:", status=2)
    subprocess.run(["git", "init", "-q", monorepo.root], check=True)
    said(cli("build", "--affected"), "git knows no revision 'HEAD'", status=2)
    said(cli("build", "--affected", "--since", "nonsense"), "no revision 'nonsense'", status=2)
    said(cli("build", "--affected", "--since=--output=x"), "is no revision", status=2)
    said(cli("build", "--since", "main"), "--since goes with --affected", status=2)
    empty = tmp_path / "empty"
    empty.mkdir()
    done = cli("build", "--affected", env={"PATH": str(empty)})
    said(done, "needs git", status=2)


# The same inputs, the same bytes.


@pytest.mark.parametrize("export", [False, True])
def test_two_checkouts_in_different_folders_give_the_same_bytes(monorepo, cli, tmp_path, export):
    other = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(monorepo.root, other)
    options = ["--export"] if export else []
    for folder in (monorepo.root, other):
        done = cli("build", *options, cwd=folder)
        assert done.status == 0, done
    pattern = "**/main.wasm" if export else ".capsule/wasm/*.wasm"
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.glob(pattern)}
        for folder in (monorepo.root, other)
    )
    assert len(first) == 3
    assert first == second


def test_check_passes_for_what_is_built_and_names_what_is_not(monorepo, cli, said):
    done = cli("build", "--check")
    assert done.status == 3, done
    assert "nothing on disk to compare" in done.stdout
    assert cli("build", "--export").status == 0
    done = cli("build", "--check", "--json")
    assert done.status == 0, done
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows.pop()["summary"]["same"] == 3
    assert all(len(row["compared"]) == 2 for row in rows)
    monorepo.write("libs/numbers.ts", "export const triple = (n: number) => n * 33;\n")
    done = cli("build", "--check", "--json")
    assert done.status == 3
    rows = {row["member"]: row for row in map(json.loads, done.stdout.splitlines()[:-1])}
    assert {name: row["state"] for name, row in rows.items()} == {
        ALL[0]: "differs",
        ALL[1]: "same",
        ALL[2]: "same",
    }
    assert any("agents/deep/main.wasm" in finding for finding in rows[ALL[0]]["findings"])
    assert any("changed libs/numbers.ts" in finding for finding in rows[ALL[0]]["findings"])


def test_check_finds_an_artifact_that_somebody_changed(monorepo, cli):
    assert cli("build", "services/mail", "--export").status == 0
    path = monorepo / "services/mail/main.wasm"
    path.write_bytes(path.read_bytes().replace(b'"compute":50000000000', b'"compute":50000000001'))
    done = cli("build", "--check", "services/mail")
    assert done.status == 3
    assert "services/mail/main.wasm is not what the source builds" in done.stdout
    path.write_bytes(b"nothing of ours")
    assert "is damaged, or was not made by capsule" in cli("build", "--check", "services/mail").stdout


# Several at once.


def test_two_processes_build_a_monorepo_at_once_without_doing_anything_twice(monorepo, cli):
    for number in range(6):
        monorepo.write(f"services/s{number}/main.py", PYTHON)
    children = [cli.start("build", "--json") for _ in range(2)]
    built = []
    for child in children:
        stdout, stderr = child.communicate(timeout=120)
        assert child.returncode == 0, stderr
        rows = [json.loads(line) for line in stdout.splitlines()[:-1]]
        assert {row["state"] for row in rows} <= {"built", "hit"}
        built += [row["member"] for row in rows if row["state"] == "built"]
    assert len(built) == len(set(built)) == 9
    done = cli("build", "--check")
    assert done.status == 0, done


def test_ctrl_c_ends_a_build_of_many(monorepo, cli):
    for number in range(40):
        monorepo.write(f"services/s{number:02}/main.py", PYTHON)
    child = cli.start("build")
    deadline = time.monotonic() + 60
    while not monorepo.artifacts() and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=30)
    # It may have been over when the signal came.
    assert child.returncode in (130, 0)
    assert "Traceback" not in stderr
    assert cli("build").status == 0


@pytest.mark.parametrize("jobs", ["0", "-1", "1000"])
def test_a_number_of_jobs_that_makes_no_sense_is_refused(monorepo, cli, said, jobs):
    said(cli("build", f"--jobs={jobs}"), "--jobs", status=2)


def test_two_members_that_would_be_exported_to_one_file_are_refused(monorepo, cli, said):
    monorepo.write("services/mail/main.ts", "export const main = () => 1;\n")
    monorepo.write("capsule.toml", '[workspace]\nmembers = ["services/mail/main.{py,ts}"]\n')
    said(cli("build", "--export"), "would both be exported to main.wasm", status=2)


def test_a_single_file_is_built_as_ever(monorepo, cli):
    done = cli("build", "services/mail/main.py")
    assert done.status == 0
    assert done.stdout.split()[:2] == ["built", "services/mail/main.py"]
