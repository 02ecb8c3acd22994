from pathlib import Path

import pytest

from capsule.errors import BuildError
from capsule_js import engine


class Nothing:
    def node(self, progress):
        raise AssertionError("not asked for")

    modules = node


def test_the_recipe_asks_for_no_toolchain_until_it_is_built():
    made = engine.javascript_engine(Nothing())
    assert (made.name, made.version) == ("javascript", engine.VERSION)
    assert len(made.key) == 64


@pytest.mark.parametrize(
    "changed",
    ["guest/main.js", "guest/options.json", "guest/package-lock.json", "sdk/envelope.js", "wit/world.wit"],
)
def test_the_key_changes_with_every_input(monkeypatch, changed):
    inputs = dict(engine.inputs())
    assert changed in inputs
    before = engine.engine_key.__wrapped__()
    monkeypatch.setattr(engine, "inputs", lambda: {**inputs, changed: inputs[changed] + b" "}.items())
    assert engine.engine_key.__wrapped__() != before


def test_the_contract_is_an_input_and_tests_are_not():
    names = set(dict(engine.inputs()))
    assert "contract/capsule.wit" in names
    assert "guest/README.md" not in names


def test_a_build_that_fails_shows_what_node_printed(tmp_path):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho it broke >&2\nexit 1\n")
    node.chmod(0o755)
    with pytest.raises(BuildError) as raised:
        engine.build_engine(node, tmp_path)
    assert raised.value.traceback == "it broke\n"


def test_a_node_that_is_not_there_is_a_build_error(tmp_path):
    with pytest.raises(BuildError, match="Node can't be started"):
        engine.build_engine(tmp_path / "none", tmp_path)


def test_a_build_that_hangs_ends(tmp_path, monkeypatch):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nexec sleep 30\n")
    node.chmod(0o755)
    monkeypatch.setattr(engine, "TIMEOUT", 0.2)
    with pytest.raises(BuildError, match="more than"):
        engine.build_engine(node, tmp_path)


def test_the_lock_file_pins_everything_and_names_no_registry():
    import json

    lock = json.loads((engine.GUEST / "package-lock.json").read_text("utf-8"))
    for name, package in lock["packages"].items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package
    versions = json.loads((engine.GUEST / "package.json").read_text("utf-8"))
    for version in {**versions["dependencies"], **versions["optionalDependencies"]}.values():
        assert version[0].isdigit()


def test_builtins_are_names_without_prefix():
    names = engine.builtins()
    assert {"fs", "fs/promises", "@capsule-run/sdk", "@capsule-run/sdk/runner"} <= names
    assert not any(name.startswith("node:") for name in names)


def test_the_guest_folder_is_where_the_recipe_looks():
    assert (engine.GUEST / "build.mjs").is_file()
    assert Path(engine.WORLD).is_file()
