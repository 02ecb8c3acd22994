import json

import pytest

from capsule.errors import BuildError, ConfigError
from capsule.frontend.spec import Source
from capsule_js import engine, starlingmonkey
from capsule_js.engines import chosen_kind
from capsule_js.frontend import JavaScriptFrontend
from capsule_js.toolchain import STARLINGMONKEY, ManagedToolchain


def test_quickjs_runs_what_asks_for_nothing(tmp_path):
    toolchain = ManagedToolchain()
    assert chosen_kind({}).engine(toolchain).name == engine.NAME
    assert chosen_kind({"engine": "quickjs"}) is chosen_kind({})


def test_starlingmonkey_is_another_engine_with_a_key_of_its_own(tmp_path):
    made = chosen_kind({"engine": "starlingmonkey"}).engine(ManagedToolchain())
    assert made.name == starlingmonkey.NAME
    assert made.key != engine.engine_key()


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("StarlingMonkey", "did you mean 'starlingmonkey'?"),
        ("v8", "it is 'quickjs' or 'starlingmonkey'"),
        (True, "it is 'quickjs' or 'starlingmonkey'"),
        (["quickjs"], "it is 'quickjs' or 'starlingmonkey'"),
    ],
)
def test_another_engine_is_an_error_that_names_the_known_ones(value, hint):
    with pytest.raises(ConfigError, match="engine can't be") as raised:
        chosen_kind({"engine": value})
    assert raised.value.hint == hint
    assert raised.value.location.file == "capsule.toml"


def test_only_the_own_engines_key_covers_the_stand_ins():
    names = {name for name, _ in engine.inputs(starlingmonkey.WORLD)}
    assert {"guest/starlingmonkey/language.js", "guest/main.js", "wit/starlingmonkey.wit"} <= names
    key = engine.engine_key.__wrapped__()
    own = [file for file in engine.inputs() if not file[0].startswith("guest/starlingmonkey/")]
    assert engine.digest(own) == key


def test_the_lock_file_pins_everything_and_names_no_registry():
    lock = json.loads((STARLINGMONKEY / "package-lock.json").read_text("utf-8"))
    for name, package in lock["packages"].items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package
    versions = json.loads((STARLINGMONKEY / "package.json").read_text("utf-8"))["dependencies"].values()
    assert all(version[0].isdigit() for version in versions)


def test_programs_for_the_two_engines_are_told_apart(tmp_path, host, esbuild):
    (tmp_path / "main.ts").write_text("export const main = () => /[\\p{L}]/u.test('x');\n")
    made = {}
    for name in ("quickjs", "starlingmonkey"):
        frontend = JavaScriptFrontend()
        source = Source(tmp_path / "main.ts", tmp_path, {"engine": name})
        inputs = frontend.inputs(source, host)
        made[name] = inputs, frontend.compile(source, inputs, host, snapshot=False)
    assert made["quickjs"][0] != made["starlingmonkey"][0]
    assert "/[\\p{L}]/u" in made["quickjs"][1].program.entries["bundle"]
    assert 'new RegExp("[\\\\p{L}]","u")' in made["starlingmonkey"][1].program.entries["bundle"]
    assert made["starlingmonkey"][1].engine.name == starlingmonkey.NAME


def test_a_snapshot_for_starlingmonkey_is_an_error_that_says_why(tmp_path, host, esbuild):
    (tmp_path / "main.ts").write_text("export const main = () => 1;\n")
    frontend = JavaScriptFrontend()
    source = Source(tmp_path / "main.ts", tmp_path, {"engine": "starlingmonkey"})
    with pytest.raises(BuildError, match="--snapshot is not there for StarlingMonkey") as raised:
        frontend.compile(source, frontend.inputs(source, host), host, snapshot=True)
    assert "quickjs" in raised.value.hint
