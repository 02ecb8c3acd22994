"""Completion is set up when the user says yes, and not before."""

from __future__ import annotations

import io
import sys

import pytest

from capsule.cli.dispatch import dispatch


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("ZSH", "ZSH_CUSTOM"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / ".bashrc").write_text("# mine\n")
    return tmp_path


def answering(monkeypatch, text):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(text))


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "no\n", "what\n"])
def test_without_a_yes_nothing_is_written(home, monkeypatch, capsys, answer):
    answering(monkeypatch, answer)
    assert dispatch(["--install-completion", "--shell", "bash"]) == 2
    assert "a line that loads it into ~/.bashrc? [y/N]" in capsys.readouterr().err
    assert [path.name for path in home.iterdir()] == [".bashrc"]
    assert (home / ".bashrc").read_text() == "# mine\n"


def test_with_a_yes_the_shell_finds_it(home, monkeypatch, capsys):
    answering(monkeypatch, "y\n")
    assert dispatch(["--install-completion", "--shell", "bash"]) == 0
    script = home / ".local/share/bash-completion/completions/capsule"
    assert "capsule" in script.read_text()
    assert str(script) in (home / ".bashrc").read_text()
    assert str(script) in capsys.readouterr().out


def test_where_nobody_can_answer_it_says_how_to_go_on(home, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert dispatch(["--install-completion", "--shell", "zsh"]) == 2
    said = capsys.readouterr().err
    assert "~/.zshrc, and there is nobody to ask" in said
    assert "--yes" in said
    assert [path.name for path in home.iterdir()] == [".bashrc"]
    assert dispatch(["--install-completion", "--shell", "fish", "--yes"]) == 0
    assert (home / ".config/fish/completions/capsule.fish").is_file()
