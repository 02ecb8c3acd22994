"""Tools on the host that a project aims: git, the type checker, Node, the builder of snapshots."""

from __future__ import annotations

import os
import subprocess

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
