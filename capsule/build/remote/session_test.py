from __future__ import annotations

import logging
from pathlib import Path

import pytest

from capsule.build.remote import key as keys
from capsule.build.remote import session
from capsule.build.remote.key import KEY_FILE_VARIABLE, KEY_VARIABLE, find_key
from capsule.build.remote.session import AUTHORIZATION_VARIABLE, project_remote
from capsule.errors import ConfigError, Location
from capsule.policy import notices
from capsule.project.remote_cache import MODE_VARIABLE, REMOTE_VARIABLE, CacheSettings

KEY = "ab" * 32
TOML = Location("capsule.toml", 2)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (KEY_VARIABLE, KEY_FILE_VARIABLE, AUTHORIZATION_VARIABLE, REMOTE_VARIABLE, MODE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(session, "_opened", {})
    monkeypatch.setattr(session, "_told", set())
    monkeypatch.setattr(keys, "default_key_file", lambda: tmp_path / "config" / "cache.key")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(notices, "_show", messages.append)
    return messages


def key_file(path: Path, text: str = KEY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def settings(tmp_path: Path) -> CacheSettings:
    return CacheSettings(remote=(tmp_path / "remote").as_uri(), location=TOML)


def test_the_key_comes_from_the_environment_or_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_key(tmp_path / "project") is None
    default = key_file(tmp_path / "config" / "cache.key", "01" * 32)
    by_default = find_key(tmp_path / "project")
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(key_file(tmp_path / "elsewhere", "02" * 32)))
    by_name = find_key(tmp_path / "project")
    monkeypatch.setenv(KEY_VARIABLE, "03" * 32)
    by_value = find_key(tmp_path / "project")
    assert default.exists()
    assert by_default
    assert by_name
    assert by_value
    assert len({by_default.identity, by_name.identity, by_value.identity}) == 3


def test_a_key_in_the_project_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    inside = key_file(project / "keys" / "cache.key")
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(inside))
    with pytest.raises(ConfigError, match="lies in the project"):
        find_key(project)
    # Not by another path to the same place, either.
    (tmp_path / "alias").symlink_to(project)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(tmp_path / "alias" / "keys" / "cache.key"))
    with pytest.raises(ConfigError, match="lies in the project"):
        find_key(project)


@pytest.mark.parametrize("problem", ["missing", "malformed", "open"])
def test_a_key_that_can_not_be_used_is_an_error_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    file = tmp_path / "cache.key"
    if problem != "missing":
        key_file(file, "hunter2" if problem == "malformed" else KEY)
    if problem == "open":
        file.chmod(0o644)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(file))
    with pytest.raises(ConfigError) as caught:
        find_key(None)
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_without_a_key_the_remote_is_not_used_and_that_is_said_once(tmp_path: Path, said: list[str]) -> None:
    for _ in range(3):
        assert project_remote(settings(tmp_path), tmp_path / "project") is None
    (message,) = said
    assert KEY_VARIABLE in message


def test_a_remote_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    first = project_remote(settings(tmp_path), None)
    assert first is not None
    assert project_remote(settings(tmp_path), None) is first
    monkeypatch.setenv(MODE_VARIABLE, "read")
    assert project_remote(settings(tmp_path), None) is not first


def test_a_bad_address_is_an_error_at_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with pytest.raises(ConfigError, match="password") as caught:
        project_remote(CacheSettings(remote="https://me:hunter2@host/x", location=TOML), None)
    assert caught.value.location == TOML
    assert "hunter2" not in str(caught.value)


def test_credentials_go_only_to_a_remote_that_the_user_named(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(AUTHORIZATION_VARIABLE, "Bearer secret")
    given: list[str | None] = []
    opened = session.open_transport
    monkeypatch.setattr(
        session,
        "open_transport",
        lambda url, *, timeout, authorization: (
            given.append(authorization) or opened(url, timeout=timeout, authorization=authorization)
        ),
    )
    project_remote(CacheSettings(remote="https://named.by/project", location=TOML), None)
    (message,) = said
    assert REMOTE_VARIABLE in message
    assert "secret" not in message
    monkeypatch.setenv(REMOTE_VARIABLE, "https://named.by/user")
    project_remote(CacheSettings(remote="https://named.by/project", location=TOML), None)
    assert given == [None, "Bearer secret"]
    monkeypatch.setenv(AUTHORIZATION_VARIABLE, "Bearer\r\nX-Evil: 1")
    monkeypatch.setenv(REMOTE_VARIABLE, "https://named.by/user2")
    with pytest.raises(ConfigError, match="no HTTP header"):
        project_remote(CacheSettings(), None)


def test_a_program_that_embeds_capsule_finds_notices_in_its_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notices, "_show", None)
    with caplog.at_level(logging.WARNING, logger="capsule.cache"):
        session._notice("something")
    assert caplog.messages == ["something"]
