from __future__ import annotations

import pytest

from capsule.errors import CapsuleError, ConfigError, Location, UsageError
from capsule.project.remote_cache import MODE_VARIABLE, REMOTE_VARIABLE, CacheSettings

HERE = Location("capsule.toml", 3)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (REMOTE_VARIABLE, MODE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def parse(**table: object) -> CacheSettings:
    return CacheSettings.parse(table, lambda key: HERE)


def test_what_a_project_may_say() -> None:
    settings = parse(remote="https://host/x", mode="read", timeout="2500ms")
    assert (settings.remote, settings.mode, settings.timeout) == ("https://host/x", "read", 2.5)
    assert settings.location == HERE


def test_without_a_table_there_is_no_remote() -> None:
    assert parse().with_environment().remote is None
    assert parse(remote="https://host/x").mode == "read-write"


@pytest.mark.parametrize(
    "table",
    [
        {"remotes": "x"},
        {"key": "0" * 64},
        {"remote": 1},
        {"remote": ""},
        {"mode": "both"},
        {"mode": ["read"]},
        {"timeout": "soon"},
        {"timeout": "0s"},
        {"timeout": "700s"},
        {"timeout": 5},
    ],
)
def test_anything_else_is_an_error_with_file_line_and_hint(table: dict[str, object]) -> None:
    with pytest.raises(CapsuleError) as caught:
        parse(**table)
    assert caught.value.location == HERE
    assert caught.value.hint


def test_a_key_in_capsule_toml_is_not_known() -> None:
    with pytest.raises(ConfigError, match="has no 'key'"):
        parse(key="0" * 64)


def test_the_environment_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse(remote="https://host/x", mode="read", timeout="1s")
    monkeypatch.setenv(REMOTE_VARIABLE, "file:///mine")
    monkeypatch.setenv(MODE_VARIABLE, "write")
    mine = settings.with_environment()
    assert (mine.remote, mine.mode, mine.timeout, mine.location) == ("file:///mine", "write", 1.0, None)
    monkeypatch.setenv(REMOTE_VARIABLE, "off")
    assert settings.with_environment().remote is None
    monkeypatch.setenv(MODE_VARIABLE, "sometimes")
    with pytest.raises(UsageError, match=MODE_VARIABLE):
        settings.with_environment()
