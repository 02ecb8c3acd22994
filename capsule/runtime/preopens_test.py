from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from capsule.errors import PolicyError, UsageError
from capsule.policy.model import FileGrant
from capsule.runtime import preopens
from capsule.runtime.preopens import (
    Mount,
    Preopen,
    grant_preopens,
    mount_preopens,
    opened,
    parse_mount,
)
from capsule.runtime.protected import Protected


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "src").mkdir()
    (folder / "src/main.py").write_text("")
    (folder / ".capsule").mkdir()
    return folder


def protected(root, *, allowed=False):
    return Protected.of(root, (root / "src/main.py",), allowed=allowed)


def grants(root, *paths, writable=True, allowed=False):
    return grant_preopens(
        [FileGrant(path, writable) for path in paths],
        root,
        protected(root, allowed=allowed),
        origin="main.py:3",
    )


def test_a_granted_folder_appears_at_its_own_path_below_the_guests_root(root):
    assert grants(root, "data") == [Preopen(root / "data", "/data", True)]
    assert grants(root, "new/deep", writable=True) == [Preopen(root / "new/deep", "/new/deep", True)]
    assert grants(root, ".", writable=False) == [Preopen(root, "/", False)]


@pytest.mark.parametrize("path", ["../up", "data/../../up", "/etc", "data/.."])
def test_a_path_that_leaves_the_root_is_refused(root, path):
    with pytest.raises(PolicyError, match="below the project root") as caught:
        grants(root, path, writable=False)
    assert "main.py:3" in caught.value.message


def test_a_link_out_of_the_root_is_refused_and_one_within_is_followed(root, tmp_path):
    (tmp_path / "outside").mkdir()
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "in").symlink_to(root / "data")
    with pytest.raises(PolicyError, match="symbolic link"):
        grants(root, "out", writable=False)
    assert grants(root, "in") == [Preopen(root / "data", "/in", True)]


def test_a_link_out_of_the_root_further_up_is_refused(root, tmp_path):
    (tmp_path / "outside/deep").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(PolicyError, match="symbolic link"):
        grants(root, "out/deep")
    with pytest.raises(PolicyError, match="symbolic link"):
        grants(root, "out/not/there")
    assert not (tmp_path / "outside/not").exists()


@pytest.mark.parametrize("path", [".", "src", ".capsule", ".capsule/wasm"])
def test_a_writable_folder_over_what_is_protected_is_refused_and_a_read_only_one_is_not(root, path):
    (root / ".capsule/wasm").mkdir()
    with pytest.raises(PolicyError, match="decides what runs next") as caught:
        grants(root, path)
    assert "allow_project_writes" in str(caught.value.hint)
    assert len(grants(root, path, writable=False)) == 1
    assert len(grants(root, path, allowed=True)) == 1


def test_a_link_to_what_is_protected_is_seen_through(root):
    (root / "data/link").symlink_to(root / ".capsule")
    with pytest.raises(PolicyError, match="decides what runs next"):
        grants(root, "data/link")


def test_what_is_protected_is_seen_through_its_own_links(root, tmp_path):
    """A `.capsule` that is a link protects what it leads to."""
    (root / ".capsule").rmdir()
    (root / ".capsule").symlink_to(root / "data")
    with pytest.raises(PolicyError, match="decides what runs next"):
        grants(root, "data")


def test_a_missing_folder_is_made_when_writable_and_left_out_when_not(root):
    assert grants(root, "absent", writable=False) == []
    assert not (root / "absent").exists()
    grants(root, "made/deep")
    assert (root / "made/deep").is_dir()


def test_a_file_is_no_folder(root):
    (root / "data/file").write_text("")
    for writable in (True, False):
        with pytest.raises(PolicyError, match="not a folder"):
            grants(root, "data/file", writable=writable)


@pytest.mark.parametrize(
    ("text", "guest", "writable"),
    [
        ("data", "/data", True),
        ("./data:ro", "/data", False),
        ("data:rw", "/data", True),
        ("data::/in", "/in", True),
        ("data::in:ro", "/in", False),
        ("src/../data", "/data", True),
    ],
)
def test_a_mount_is_read(root, text, guest, writable):
    assert parse_mount(text, root) == Mount(root / "data", guest, writable)


def test_a_mount_by_absolute_path_appears_there(root):
    assert parse_mount(str(root / "data"), Path("/")).guest == str(root / "data")


@pytest.mark.parametrize(
    "text",
    [
        *("", "::/x", "data::", ":ro", "a\0b", "missing", "src/main.py", "data::../x"),
        *("~nobody-of-this-name/x", "x" * 300, "\ud800"),
    ],
)
def test_a_mount_that_cannot_be_read_is_a_usage_error(root, text):
    with pytest.raises(UsageError, match=r"^mounts: "):
        parse_mount(text, root)


def test_a_writable_mount_over_the_project_is_refused_and_a_read_only_one_is_not(root, tmp_path):
    for folder in (root, tmp_path, root / ".capsule"):
        with pytest.raises(UsageError, match="decides what runs next"):
            mount_preopens([Mount(folder, "/m", True)], protected(root))
        assert mount_preopens([Mount(folder, "/m", False)], protected(root)) == [Preopen(folder, "/m", False)]
    assert mount_preopens([Mount(root, "/m", True)], protected(root, allowed=True))


def test_an_opened_folder_is_the_one_that_was_checked(root):
    (root / "data/in.txt").write_text("checked")
    with opened(root / "data") as path:
        (root / "data").rename(root / "moved")
        (root / "data").symlink_to("/")
        assert (Path(path) / "in.txt").read_text() == "checked"


def test_a_folder_that_became_a_link_is_not_opened(root, tmp_path):
    (root / "data").rename(root / "moved")
    (root / "data").symlink_to(tmp_path)
    with pytest.raises(PolicyError, match="data can't be opened"), opened(root / "data"):
        pass
    with pytest.raises(PolicyError, match="can't be opened"), opened(root / "data/deeper"):
        pass


@pytest.mark.parametrize("spelling", [".CAPSULE", ".Capsule", ".caPsule/wasm"])
def test_another_spelling_of_what_decides_the_next_run_is_refused_where_it_may_be_the_same(root, spelling):
    """On some file systems both are one name. What is there already is told by its inode."""
    (root / ".capsule").rmdir()
    with pytest.raises(PolicyError, match="decides what runs next"):
        grants(root, spelling)


def test_folders_that_differ_in_case_are_two_where_the_file_system_says_so(root):
    (root / "SRC").mkdir(exist_ok=True)
    if (root / "SRC").samefile(root / "src"):
        pytest.skip("this file system takes them for one")
    assert grants(root, "SRC")[0].host == root / "SRC"


def test_a_folder_mounted_under_a_second_name_is_still_what_it_is(root):
    (root / "other").mkdir()
    done = subprocess.run(["mount", "--bind", root / "src", root / "other"], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("mounting takes rights that we don't have here")
    try:
        with pytest.raises(PolicyError, match=r"covers main\.py"):
            grants(root, "other")
    finally:
        subprocess.run(["umount", root / "other"], check=True)


def test_a_folder_is_made_without_following_a_link_that_appears(root, tmp_path, monkeypatch):
    """The race won for sure: the link comes between the check and the making."""
    away = tmp_path / "away"
    away.mkdir()
    real = preopens._make

    def late(folder):
        (root / "made").symlink_to(away)
        real(folder)

    monkeypatch.setattr(preopens, "_make", late)
    with pytest.raises(PolicyError, match="can't be used"):
        grants(root, "made/deep")
    assert not list(away.iterdir())


@pytest.mark.parametrize("part", ["mounted", "above"])
def test_a_mount_is_opened_where_it_was_checked_or_not_at_all(root, tmp_path, part):
    """The race won for sure: a link takes the folder's place, or that of one above it, after the check."""
    away = tmp_path / "away"
    (away / "mounted").mkdir(parents=True)
    (root / "above/mounted").mkdir(parents=True)
    [preopen] = mount_preopens([parse_mount("above/mounted::/data", root)], protected(root))
    moved = root / "above" if part == "above" else root / "above/mounted"
    moved.rename(root / "moved")
    moved.symlink_to(away if part == "above" else away / "mounted")
    with pytest.raises(PolicyError, match="can't be opened as a folder"), opened(preopen.host):
        pass


def test_a_folder_that_is_not_there_is_made_for_writing_only_and_told(tmp_path):
    told = []
    grants = (FileGrant("out", writable=True), FileGrant("in", writable=False))
    nothing = Protected.of(tmp_path, (), allowed=False)
    found = grant_preopens(grants, tmp_path, nothing, origin="main.py:3", tell=told.append)
    assert [preopen.guest for preopen in found] == ["/out"]
    assert (tmp_path / "out").is_dir()
    assert not (tmp_path / "in").exists()
    assert told == [
        "made the folder 'out' of allowed_files (main.py:3), which wasn't there",
        "the folder 'in' of allowed_files (main.py:3) isn't there; it is read-only, so it isn't made",
    ]
    grant_preopens(grants[:1], tmp_path, nothing, origin="main.py:3", tell=told.append)
    assert len(told) == 2
