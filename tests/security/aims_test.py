"""Tools on the host that a project aims: git, the type checker, Node, the builder of snapshots."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

QUIET = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


@pytest.fixture
def git(project):
    """git in the project, with its own settings as they are."""

    def run(*arguments, cwd=None):
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or project.root,
            env={**os.environ, **QUIET},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    return run


@pytest.fixture
def repository(project, git):
    """A workspace of two members in a repository, one of them changed since."""
    project.write("capsule.toml", '[workspace]\nmembers = ["*/main.wat"]\n')
    project.write(".gitattributes", "*.wat filter=evil diff=evil merge=evil\n")
    for name in ("one", "two"):
        project.write(f"{name}/main.wat", ";; @task main\n(component)\n")
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-qm", "first")
    project.write("two/main.wat", ";; @task main\n(component (core module))\n")
    return project


@pytest.fixture
def evil(tmp_path):
    """A program that leaves a trace, and whether it has run."""
    trace = tmp_path / "ran"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {trace}\ncat\n")
    script.chmod(0o755)
    return script, trace


CONFIGURED = {
    "a filter that cleans": ("filter.evil.clean", "{script}"),
    "a filter that runs as a process": ("filter.evil.process", "{script}"),
    "a folder of hooks": ("core.hooksPath", "{folder}/hooks"),
    "settings of another file": ("include.path", "{folder}/more"),
    "settings of another file, by a condition": ("includeIf.gitdir:/.path", "{folder}/more"),
}


@pytest.mark.parametrize("what", CONFIGURED)
def test_programs_that_a_repository_s_settings_name(repository, git, cli, evil, tmp_path, what):
    script, trace = evil
    (tmp_path / "more").write_text(f'[core]\n\tfsmonitor = {script}\n[filter "evil"]\n\tclean = {script}\n')
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/post-index-change").symlink_to(script)
    key, value = CONFIGURED[what]
    git("config", key, value.format(script=script, folder=tmp_path))
    os.utime(repository / "one/main.wat", (1, 1))
    affected(cli, repository)
    assert not trace.exists()


def affected(cli, repository, **options):
    """What ``--affected`` finds, in spite of the trap: the member that was changed, and no other."""
    done = cli("build", "--affected", "--explain", **options)
    assert done.status == 0, done
    assert "two/main.wat" in done.stdout, done
    assert "one/main.wat" not in done.stdout, done
    return done


def test_a_hook_of_the_repository(repository, cli, evil):
    """Reading the index used to write it anew, which runs a hook."""
    script, trace = evil
    (repository / ".git/hooks/post-index-change").symlink_to(script)
    os.utime(repository / "one/main.wat", (1, 1))
    affected(cli, repository)
    assert not trace.exists()


def test_git_in_a_submodule_with_settings_of_its_own(repository, git, cli, evil, tmp_path):
    script, trace = evil
    inner = tmp_path / "inner"
    inner.mkdir()
    git("init", "-q", "-b", "main", cwd=inner)
    (inner / "file").write_text("x")
    git("add", ".", cwd=inner)
    git("commit", "-qm", "x", cwd=inner)
    git("-c", "protocol.file.allow=always", "submodule", "-q", "add", str(inner), "sub")
    git("commit", "-qm", "sub", "--", "sub", ".gitmodules")
    git("config", "filter.evil.clean", str(script), cwd=repository / "sub")
    (repository / ".git/modules/sub/info").mkdir(exist_ok=True)
    repository.write(".git/modules/sub/info/attributes", "* filter=evil\n")
    (repository / "sub/file").write_text("y")
    affected(cli, repository)
    assert not trace.exists()


def test_fetching_what_a_repository_says_is_elsewhere(repository, git, cli, evil):
    """A promisor remote: an object that is missing is fetched, by a program that the remote names."""
    script, trace = evil
    tree = git("rev-parse", "HEAD^{tree}").strip()
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": "ssh://host.example/x",
        "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
        "core.sshCommand": str(script),
    }.items():
        git("config", key, value)
    (repository / f".git/objects/{tree[:2]}/{tree[2:]}").unlink()
    done = cli("build", "--affected")
    assert done.status == 2, done
    assert "Traceback" not in done.stderr
    assert not trace.exists()


@pytest.mark.parametrize("name", ["GIT_CONFIG_COUNT", "GIT_DIR"])
def test_variables_that_aim_git(repository, cli, evil, tmp_path, name):
    """A shell that was in another repository, or a hook, leaves such variables behind."""
    script, trace = evil
    values = {
        "GIT_CONFIG_COUNT": {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "filter.evil.clean",
            "GIT_CONFIG_VALUE_0": str(script),
        },
        "GIT_DIR": {"GIT_DIR": str(tmp_path / "nowhere")},
    }
    affected(cli, repository, env=values.get(name, {name: str(script)}))
    assert not trace.exists()


def test_objects_of_another_repository(repository, cli, said, tmp_path):
    repository.write(".git/objects/info/alternates", f"{tmp_path}/others\n")
    said(cli("build", "--affected"), "alternates", "git repack", status=2)


@pytest.mark.parametrize(
    "name", ["HEAD", "index", "packed-refs", "config", "refs/heads/main", "info/exclude"]
)
def test_files_of_a_repository_that_never_end(repository, cli, name):
    for trap in ("pipe", "/dev/zero"):
        path = repository / ".git" / name
        path.unlink(missing_ok=True)
        os.mkfifo(path) if trap == "pipe" else path.symlink_to(trap)
        done = cli("build", "--affected", timeout=30)
        assert done.status == 2, done
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("entry", ["", ".", "{root}", "{root}/tools", "{root}/../link"])
def test_a_git_that_the_repository_brings(repository, cli, evil, tmp_path, entry):
    """The path leads into it: by a relative entry, by `node_modules/.bin` and the like, or by a link."""
    script, trace = evil
    for place in ("git", "tools/git"):
        repository.write(place, script.read_text()).chmod(0o755)
    (repository.root.parent / "link").symlink_to(repository / "tools")
    affected(
        cli, repository, env={"PATH": f"{entry.format(root=repository.root)}{os.pathsep}{os.environ['PATH']}"}
    )
    assert not trace.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_repository_of_somebody_else(repository, cli, said):
    os.chown(repository / ".git", 54321, -1)
    said(cli("build", "--affected"), ".git", "CAPSULE_SAFE_DIRECTORIES", status=2)


def test_a_project_that_chooses_a_node(project, cli, said, evil):
    """It may lie in a folder beside the project, in the same repository."""
    script, trace = evil
    script.write_text(script.read_text() + "echo v24.0.0\n")
    project.write("capsule.toml", f'[javascript]\nnode = "{script}"\n')
    project.write("main.ts", "export function main() { return 1 }\n")
    for command in (["build", "--typecheck"], ["run"], ["tasks"], ["build", "--snapshot"]):
        done = cli(*command, "main.ts")
        said(done, "[javascript] node", "no project chooses", f"export CAPSULE_NODE={script}", status=2)
    assert not trace.exists()


@pytest.fixture
def typecheck(project, cli):
    """``build --typecheck`` of a program with sound types; skipped where the compiler can't be had."""

    def run():
        project.write("main.ts", "export function main(): number { return 1 }\n")
        done = cli("build", "main.ts", "--typecheck", timeout=60)
        if "npm" in done.stderr and done.status != 0:
            pytest.skip("needs the TypeScript compiler")
        assert "Traceback" not in done.stderr
        return done

    return run


WRITING = {
    "generateTrace": "./link",
    "outDir": "./link",
    "tsBuildInfoFile": "./link/x.tsbuildinfo",
    "declarationDir": "./link",
    "generateCpuProfile": "./link/profile",
}


@pytest.mark.parametrize("way", ["tsconfig.json", "a file that it extends", "a package that it extends"])
def test_a_type_checker_that_is_told_to_write(project, typecheck, tmp_path, way):
    """``generateTrace`` wrote files with names of the project's choice through a link to anywhere."""
    home = tmp_path / "home"
    home.mkdir()
    (project / "link").symlink_to(home)
    options = {"composite": True, "incremental": True, "declaration": True, **WRITING}
    text = json.dumps({"compilerOptions": options})
    if way == "tsconfig.json":
        project.write("tsconfig.json", text)
    elif way == "a file that it extends":
        project.write("tsconfig.json", '{"extends": "./base.json"}')
        project.write("base.json", text)
    else:
        project.write("tsconfig.json", '{"extends": "evil/tsconfig.json"}')
        project.write("node_modules/evil/tsconfig.json", text)
        (project / "node_modules/evil/link").symlink_to(home)
    done = typecheck()
    assert list(home.iterdir()) == [], done
    left = {path.name for path in project.root.iterdir()}
    assert left <= {"main.ts", "tsconfig.json", "base.json", "node_modules", "link", ".capsule"}, left


@pytest.mark.parametrize(
    "name", ["generateTrace", "tsBuildInfoFile", "plugins", "pprofDir", "outDir", "noCheck"]
)
def test_options_of_the_type_checker_are_a_list_of_those_that_check(name):
    from capsule_js.typecheck import allowed_options

    options = {name: "./x", "strict": True, "typeRoots": ["./t"], "paths": {"~/*": ["./src/*"]}}
    kept = allowed_options(options, Path("/p"))
    assert kept == {"strict": True, "typeRoots": ["/p/t"], "paths": {"~/*": ["/p/src/*"]}}


def test_a_type_checker_that_is_shown_files_of_the_host(project, typecheck, tmp_path):
    """What it can't read it can't print, whatever leads there."""
    (tmp_path / "secret.ts").write_text("export const secret: number = 'the secret of the host'\n")
    (project / "link.ts").symlink_to(tmp_path / "secret.ts")
    project.write(
        "tsconfig.json", json.dumps({"compilerOptions": {"paths": {"s": [f"{tmp_path}/secret.ts"]}}})
    )
    project.write("types/index.d.ts", f'/// <reference path="{tmp_path}/secret.ts" />\n')
    project.write("main.ts", "")
    from capsule_js.toolchain import ManagedToolchain
    from capsule_js.typecheck import typecheck as check

    from capsule.frontend.spec import Source

    typecheck()
    project.write(
        "main.ts",
        f"""
        /// <reference path="types/index.d.ts" />
        import {{ secret }} from "s"
        import * as other from "./link"
        import * as third from "{tmp_path}/secret"
        export const a: boolean = secret, b: boolean = other.secret, c: boolean = third.secret
        """,
    )
    said = check(Source(project / "main.ts", project.root), ManagedToolchain(), lambda message: None)
    assert said
    assert not any("number" in message.text or "string" in message.text for message in said), said


@pytest.mark.parametrize("trap", ["/dev/zero", "pipe"])
@pytest.mark.parametrize("name", ["tsconfig.json", "base.json"])
def test_settings_of_the_type_checker_that_never_end(project, typecheck, trap, name):
    project.write("tsconfig.json", '{"\\u0065xtends": "./base.json"}')
    (project / name).unlink(missing_ok=True)
    os.mkfifo(project / name) if trap == "pipe" else (project / name).symlink_to(trap)
    if trap == "pipe" and name == "base.json":
        project.write("tsconfig.json", '{"extends": "./base.json"}')
    done = typecheck()
    assert done.status == 3, done


GREEDY = {
    "main.py": (
        "from capsule import task\nkept = bytes(200 << 20)\n"
        '@task(name="main", ram="64MB")\ndef main(): return 1\n'
    ),
    "main.ts": (
        'import { task } from "@capsule-run/sdk"\n'
        "const kept = new Uint8Array(200 << 20).fill(1)\n"
        'export const main = task({ name: "main", ram: "64MB" }, () => kept.length)\n'
    ),
}
MODEST = {name: text.replace('ram="64MB"', "").replace(', ram: "64MB"', "") for name, text in GREEDY.items()}


@pytest.mark.parametrize("source", GREEDY)
@pytest.mark.parametrize("whose", ["the task's ram", "the ceiling's"])
def test_a_top_level_that_takes_more_than_ram_while_a_snapshot_is_made(project, cli, source, whose):
    if whose == "the task's ram":
        project.write(source, GREEDY[source])
    else:
        project.write(source, MODEST[source])
        project.write("capsule.toml", '[limits]\nram = "64MB"\n')
    done = cli("build", source, "--snapshot")
    assert done.status == 3, done
    assert "error: " in done.stderr
    assert "64 MiB of ram" in done.stderr or "MemoryError" in done.stderr, done
    assert not project.artifacts()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("main.py", "while True: pass\ndef main(): return 1\n"),
        ("main.ts", "while (true) {}\nexport function main() { return 1 }\n"),
    ],
)
def test_a_top_level_that_never_ends_while_a_snapshot_is_made(project, cli, said, source, text):
    project.write(source, text)
    said(cli("build", source, "--snapshot", timeout=200), "used up the fuel for loading", status=3)
