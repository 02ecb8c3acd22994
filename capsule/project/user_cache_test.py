from __future__ import annotations

import stat
from pathlib import Path

import pytest
from capsule_cache import Key

from capsule.project.user_cache import private_folder, secret, user_cache_folder, user_store

KEY = Key("0" * 32, "0" * 64)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CAPSULE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_variable_names_the_folder(folder, monkeypatch):
    assert user_cache_folder() == folder
    monkeypatch.setenv("CAPSULE_CACHE_DIR", "~/own")
    assert user_cache_folder() == Path.home() / "own"
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("CAPSULE_CACHE_DIR", "relative")
    assert user_cache_folder() == folder.parent / "relative"


def test_without_it_the_folder_is_the_platforms(monkeypatch):
    monkeypatch.delenv("CAPSULE_CACHE_DIR", raising=False)
    assert user_cache_folder().name == "capsule"
    assert user_cache_folder().is_absolute()


def test_the_secret_is_made_once_and_closed_to_others(folder):
    made = secret()
    assert len(made) >= 32
    assert secret() == made
    [file] = [path for path in folder.iterdir() if path.is_file()]
    assert mode(file) == 0o600
    assert mode(folder) == 0o700


def test_two_caches_have_two_secrets(folder, monkeypatch):
    first = secret()
    monkeypatch.setenv("CAPSULE_CACHE_DIR", str(folder.parent / "other"))
    assert secret() != first


def test_folders_for_frontends_are_closed_to_others(folder):
    made = private_folder("python-packages")
    assert made == folder / "python-packages"
    assert mode(made) == 0o700
    assert private_folder("python-packages") == made


def test_a_store_lies_in_the_users_cache(folder):
    store = user_store("engines")
    store.put(KEY, b"data", name="engine")
    assert store.folder == folder / "engines"
    assert mode(folder / "engines") == 0o700


def test_code_that_was_changed_in_the_store_is_not_used(folder):
    store = user_store("compiled")
    entry, built = store.get_or_build(KEY, lambda: b"native code", name="engine")
    assert built
    assert store.get(KEY, name="engine").read() == b"native code"
    entry.path.chmod(0o600)
    entry.path.write_bytes(b"other native")
    found = store.get(KEY, name="engine")
    assert found is None or found.read() == b"native code"
