"""Signed artifacts: who has made the file that runs, from the key to the refusal."""

from __future__ import annotations

import json
import os
import re

import pytest
import wasmtime

from capsule import CapsuleError, run_sync
from capsule.artifact.manifest import Manifest, Task
from capsule.artifact.sections import pack
from capsule.artifact.signing import new_keys, read_signing_key, sign
from capsule.errors import Location
from capsule.policy.model import Policy, TaskPolicy

ANSWERS = """
(component
  (core module $m
    (memory (export "memory") 2)
    (data (i32.const 16) "{{\\22result\\22: {number}}}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536)
    (func (export "run") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 13))
      i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (export "run" (func $run)))
"""


def artifact(number=1):
    """An artifact whose one task answers with a number of one digit."""
    task = Task("main", TaskPolicy(Policy()), Location("main.wat", 1))
    manifest = Manifest("main.wat", "0" * 32, "wat", "1", {"main": task}, {})
    return pack(manifest, component=bytes(wasmtime.wat2wasm(ANSWERS.format(number=number))))


@pytest.fixture
def key(project):
    """A pair of keys in the project: ``release.key`` and ``release.pub``."""
    new_keys(project / "release.key", project / "release.pub")
    return read_signing_key(project / "release.key")


@pytest.fixture
def required(project):
    """A project whose settings ask for a signature."""
    return project.write("capsule.toml", '[signatures]\nrequired = ["release.pub"]\n')


def test_from_new_keys_to_a_run_that_requires_them(project, cli, said):
    project.write("main.py", "def main(name):\n    return f'Hello {name}'\n")
    made = cli("keys", "new", "release")
    assert made.status == 0
    key_id = re.search(r"key ([0-9a-f]{32})", made.stdout)[1]
    assert cli("keys", "show", "release.pub").stdout == f"{key_id}\n"
    assert cli("keys", "show", "release.key").stdout == f"{key_id}\n"
    assert cli("build", "main.py", "--export", "--sign", "release.key").status == 0
    first = (project / "main.wasm").read_bytes()
    assert cli("build", "main.py", "--export", "--sign", "release.key").status == 0
    assert (project / "main.wasm").read_bytes() == first, "the same source and key give the same bytes"

    done = cli("exec", "main.wasm", "you", "--require-signature", "release.pub")
    assert (done.status, done.stdout) == (0, "Hello you\n"), done
    assert cli("exec", "main.wasm", "you").stdout == "Hello you\n", "a signature asks nobody for anything"

    assert f"signed by {key_id} (not checked" in cli("tasks", "main.wasm").stdout
    explained = json.loads(cli("explain", "main.wasm", "--json").stdout)
    assert explained["signed_by"] == [key_id]
    assert json.loads(cli("explain", "main.py", "--json").stdout)["signed_by"] is None

    assert cli("keys", "new", "other").status == 0
    done = cli("exec", "main.wasm", "you", "--require-signature", "other.pub")
    said(done, "is signed by", key_id, "--require-signature other.pub asks for", status=2)
    assert done.stdout == ""
    said(cli("keys", "new", "release"), "exists", "never overwritten", status=2)


def test_an_artifact_that_is_not_signed_is_refused_before_anything_of_it_runs(project, key, cli, said):
    (project / "main.wasm").write_bytes(artifact())
    done = cli("exec", "main.wasm", "--require-signature", "release.pub")
    said(done, "main.wasm is not signed", key.key_id, "hint: ", status=2)
    assert done.stdout == ""


def test_every_file_of_keys_has_to_be_satisfied(project, key, cli, said):
    new_keys(project / "second.key", project / "second.pub")
    (project / "main.wasm").write_bytes(sign(artifact(), [key], name="x"))
    arguments = ("exec", "main.wasm", "--require-signature", "release.pub", "--require-signature")
    said(cli(*arguments, "second.pub"), "second.pub asks for", status=2)
    second = read_signing_key(project / "second.key")
    (project / "main.wasm").write_bytes(sign(artifact(), [key, second], name="x"))
    assert cli(*arguments, "second.pub").stdout == "1\n"


def test_options_that_make_no_sense_are_said_to(project, key, cli, said):
    project.write("main.py", "def main():\n    return 1\n")
    said(cli("build", "main.py", "--sign", "release.key"), "--sign goes with --export", status=2)
    done = cli("run", "main.py", "--require-signature", "release.pub")
    said(done, "main.py is a source", "--export --sign", status=2)
    said(cli("build", "main.py", "--export", "--sign", "release.pub"), "holds a public key", status=2)
    assert not (project / "main.wasm").exists()
    (project / "main.wasm").write_bytes(artifact())
    done = cli("exec", "main.wasm", "--require-signature", "release.key")
    said(done, "release.key is a private key", status=2)


def test_a_private_key_that_others_can_read_signs_nothing(project, key, cli, said):
    project.write("main.py", "def main():\n    return 1\n")
    (project / "release.key").chmod(0o644)
    done = cli("build", "main.py", "--export", "--sign", "release.key")
    said(done, "others can read", "chmod 600", status=2)
    assert not (project / "main.wasm").exists()


def test_a_project_can_require_signatures_of_whatever_runs_in_it(project, key, required, cli, said):
    (project / "main.wasm").write_bytes(artifact())
    for command in (["exec", "main.wasm"], ["run", "main.wasm"], ["tasks", "main.wasm"]):
        said(cli(*command), "not signed", "[signatures] required (capsule.toml:2)", status=2)
    with pytest.raises(CapsuleError, match="not signed"):
        run_sync(project / "main.wasm", cwd=project.root)
    (project / "main.wasm").write_bytes(sign(artifact(), [key], name="x"))
    assert run_sync(project / "main.wasm", cwd=project.root).unwrap() == 1
    assert "(checked)" in cli("tasks", "main.wasm").stdout


def test_what_a_project_requires_holds_for_files_from_elsewhere_too(project, key, required, tmp_path):
    elsewhere = tmp_path / "downloads"
    elsewhere.mkdir()
    (elsewhere / "main.wasm").write_bytes(artifact())
    assert run_sync(elsewhere / "main.wasm", cwd=elsewhere).unwrap() == 1
    with pytest.raises(CapsuleError, match="not signed"):
        run_sync(elsewhere / "main.wasm", cwd=project.root)
    (elsewhere / "capsule.toml").write_text("[signatures]\nrequired = []\n")
    with pytest.raises(CapsuleError, match="not signed"):
        run_sync(elsewhere / "main.wasm", cwd=project.root)


def test_sources_of_a_project_that_requires_signatures_run_as_ever(project, key, required):
    assert project.run("def main():\n    return 3\n").unwrap() == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[signatures]\nrequired = "a.pub"\n', ["not a list of files"]),
        ("[signatures]\nrequired = [1]\n", ["required"]),
        ('[signatures]\nrequired = ["/etc/a.pub"]\n', ["absolute"]),
        ("[signatures]\nneeded = []\n", ["'needed'", "required"]),
        ('[signatures]\nrequired = ["nowhere.pub"]\n', ["nowhere.pub can't be read"]),
    ],
)
def test_settings_that_cannot_be_used_refuse_and_never_let_through(project, cli, said, text, words):
    project.write("capsule.toml", text)
    (project / "main.wasm").write_bytes(artifact())
    done = cli("exec", "main.wasm")
    said(done, *words, status=2)
    assert done.stdout == ""


def test_a_file_that_was_exchanged_after_it_was_checked_is_checked_again(project, key, required):
    """In one process, a file of the same size, time and inode is not taken for the one before."""
    path = project / "main.wasm"
    path.write_bytes(sign(artifact(1), [key], name="x"))
    assert run_sync(path, cwd=project.root).unwrap() == 1
    facts = path.stat()
    other = artifact(2)
    signed = sign(artifact(1), [key], name="x")
    with path.open("r+b") as file:
        file.write(other + signed[len(other) :])
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_ino) == (facts.st_size, facts.st_ino)
    with pytest.raises(CapsuleError, match="changed after it was signed"):
        run_sync(path, cwd=project.root)


def test_a_check_of_exports_takes_a_signed_one_for_what_it_is(project, key, cli):
    project.write("main.py", "def main():\n    return 1\n")
    assert cli("build", "main.py", "--export", "--sign", "release.key").status == 0
    done = cli("build", "main.py", "--check")
    assert done.status == 0, done
    data = (project / "main.wasm").read_bytes()
    (project / "main.wasm").write_bytes(data + b"\0")
    assert cli("build", "main.py", "--check").status == 3
