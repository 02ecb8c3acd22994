"""Every ordinary kind of repository is read as git reads it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from capsule.errors import UsageError
from capsule.workspace.changes import changed_files

Git = Callable[..., None]


@pytest.fixture
def git(monkeypatch: pytest.MonkeyPatch) -> Git:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def run(cwd: Path, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)

    return run


def committed(folder: Path, git: Git, *options: str) -> Path:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q", "-b", "main", *options)
    for name in ("a", "b", "c"):
        (folder / name).write_text("1\n")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def change(folder: Path) -> None:
    (folder / "a").write_text("2\n")
    (folder / "b").unlink()
    (folder / "new").write_text("")
    (folder / "ignored").write_text("")


CHANGED = {"a": "M", "b": "D", "new": "A"}


def names(folder: Path, since: str | None = None) -> dict[str, str]:
    return {os.path.relpath(path, folder): status for path, status in changed_files(folder, since).items()}


@pytest.mark.parametrize(
    ("options", "then"),
    [
        ((), ()),
        ((), ("gc", "-q")),
        ((), ("update-index", "--split-index")),
        ((), ("config", "core.untrackedCache", "true")),
        (("--object-format=sha256",), ()),
        (("--object-format=sha256",), ("gc", "-q")),
    ],
)
def test_what_differs(tmp_path: Path, git: Git, options: tuple[str, ...], then: tuple[str, ...]) -> None:
    folder = committed(tmp_path / "r", git, *options)
    if then:
        git(folder, *then)
    assert names(folder) == {}
    change(folder)
    assert names(folder) == CHANGED
    assert names(folder, "main") == CHANGED


def test_since_where_a_branch_left(tmp_path: Path, git: Git) -> None:
    folder = committed(tmp_path / "r", git)
    git(folder, "checkout", "-qb", "work")
    change(folder)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "work")
    git(folder, "checkout", "-q", "main")
    (folder / "c").write_text("main only\n")
    git(folder, "commit", "-qam", "main")
    git(folder, "tag", "-am", "one", "v1", "work~1")
    git(folder, "checkout", "-q", "work")
    assert names(folder) == {}
    for since in ("main", "HEAD~1", "v1", "refs/heads/main"):
        assert names(folder, since) == CHANGED
    git(folder, "pack-refs", "--all")
    assert names(folder, "v1") == CHANGED
    with pytest.raises(UsageError, match="no revision"):
        names(folder, "nothing")


def test_a_worktree_and_a_folder_further_in(tmp_path: Path, git: Git) -> None:
    folder = committed(tmp_path / "r", git)
    git(folder, "worktree", "add", "-q", str(tmp_path / "w"))
    change(tmp_path / "w")
    (tmp_path / "w/deep").mkdir()
    assert names(tmp_path / "w") == CHANGED
    assert {Path(path).name for path in changed_files(tmp_path / "w/deep", "main")} == set(CHANGED)
    assert names(folder) == {}


def test_a_clone_of_a_file_mode_that_does_not_count(tmp_path: Path, git: Git) -> None:
    """Settings that say how files are to be read hold; they name no program."""
    folder = committed(tmp_path / "r", git)
    (folder / "a").chmod(0o755)
    assert names(folder) == {"a": "M"}
    git(folder, "config", "core.fileMode", "false")
    assert names(folder) == {}


def test_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no git repository"):
        changed_files(tmp_path, None)
