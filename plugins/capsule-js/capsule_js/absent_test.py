from __future__ import annotations

import json
from pathlib import Path

import pytest

from capsule.errors import BuildError, Location
from capsule_js.alternatives import NATIVE
from capsule_js.bundle import Bundle, Esbuild, make_bundle


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def bundle(root: Path, esbuild: Esbuild, files: dict[str, str]) -> Bundle:
    write(root, files)
    return make_bundle(root / "main.cjs", root, esbuild)


def refused(root: Path, esbuild: Esbuild, files: dict[str, str]) -> BuildError:
    with pytest.raises(BuildError) as caught:
        bundle(root, esbuild, files)
    return caught.value


def package(name: str, **more: object) -> dict[str, str]:
    return {f"node_modules/{name}/package.json": json.dumps({"name": name, "main": "index.js", **more})}


UNREACHED = """
try { require("node:sqlite"); } catch {}
const later = () => require("not-installed");
const much = () => import("not-installed-either");
function driver(kind) { return kind === "pg" ? require("pg-native") : require("./nowhere"); }
if (process.env.NEVER) require("left/out");
const sharp = process.argv.length > 9 && require("sharp");
"""


def test_imports_that_are_never_reached_stop_no_build(esbuild: Esbuild, tmp_path: Path) -> None:
    made = bundle(tmp_path, esbuild, {"main.cjs": UNREACHED})
    assert "import(" not in made.text
    noted = {line.split("'")[1] for line in made.notes}
    assert noted == {
        "node:sqlite",
        "not-installed",
        "not-installed-either",
        "pg-native",
        "./nowhere",
        "left/out",
        "sharp",
    }
    assert made.notes[0].startswith("main.cjs: ")


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ('\nconst x = require("not-installed");', 2, "npm install not-installed"),
        ('import x from "not-installed"; x();', 1, "npm install not-installed"),
        ('const { x } = require("./nowhere").y;', 1, "check the path; it starts at the file that imports it"),
        ('f(require("node:sqlit"));', 1, None),
    ],
)
def test_imports_that_are_sure_to_be_reached_do(
    esbuild: Esbuild, tmp_path: Path, text: str, line: int, hint: str | None
) -> None:
    error = refused(tmp_path, esbuild, {"main.cjs": text})
    assert error.location == Location("main.cjs", line)
    assert hint in (None, error.hint)


def test_what_a_package_is_sure_to_reach_is_an_error_and_what_it_guards_is_none(
    esbuild: Esbuild, tmp_path: Path
) -> None:
    files = {
        "main.cjs": 'require("p");',
        **package("p"),
        "node_modules/p/index.js": 'exports.one = () => require("./one"); try { require("./two") } catch {}',
        "node_modules/p/one.js": 'require("driver-one");',
        "node_modules/p/two.js": 'require("driver-two");',
    }
    assert len(bundle(tmp_path, esbuild, files).notes) == 2
    files["node_modules/p/index.js"] += 'require("./two");'
    error = refused(tmp_path, esbuild, files)
    assert error.location == Location("node_modules/p/two.js", 1)
    assert error.hint == "npm install driver-two"


@pytest.mark.parametrize("name", sorted(NATIVE))
def test_an_installed_native_package_is_an_error_that_says_what_to_use(
    esbuild: Esbuild, tmp_path: Path, name: str
) -> None:
    files = {"main.cjs": f'\nconst x = require("{name}");', **package(name)}
    files[f"node_modules/{name}/index.js"] = "module.exports = 1;"
    error = refused(tmp_path, esbuild, files)
    assert error.message == f"{name} is native code, which can't run in a sandbox"
    assert error.hint == NATIVE[name]
    assert error.location == Location("main.cjs", 2)


@pytest.mark.parametrize(
    "text",
    [
        'const addon = require("bindings")("addon");',
        'module.exports = require("node-gyp-build")(__dirname);',
        'const addon = require("./build/Release/addon.node");',
    ],
)
def test_native_code_that_nobody_listed_is_found_by_how_it_is_loaded(
    esbuild: Esbuild, tmp_path: Path, text: str
) -> None:
    files = {
        "main.cjs": 'require("unheard-of");',
        **package("unheard-of"),
        **package("bindings"),
        **package("node-gyp-build"),
        "node_modules/unheard-of/index.js": text,
        "node_modules/unheard-of/build/Release/addon.node": "\x7fELF",
        "node_modules/bindings/index.js": "module.exports = (name) => require(name);",
        "node_modules/node-gyp-build/index.js": "module.exports = (name) => require(name);",
    }
    error = refused(tmp_path, esbuild, files)
    assert error.message == "unheard-of is native code, which can't run in a sandbox"
    assert "plain JavaScript" in str(error.hint)
    files["node_modules/unheard-of/index.js"] = f"try {{ {text} }} catch {{ module.exports = null; }}"
    assert bundle(tmp_path, esbuild, files).notes or "addon" in text


def test_what_require_resolve_does_not_find_is_told_to_the_sandbox(esbuild: Esbuild, tmp_path: Path) -> None:
    text = 'f(require.resolve("there/x"), require.resolve( "gone/x" ), require.resolve("node:fs"), "gone");'
    files = {"main.cjs": text, **package("there"), "node_modules/there/x.js": ""}
    made = bundle(tmp_path, esbuild, files)
    assert made.text.count("capsule-absent:") == made.text.count('resolve("capsule-absent:gone/x")') == 1


def test_a_package_of_the_workspace_may_have_the_name_of_a_native_one(
    esbuild: Esbuild, tmp_path: Path
) -> None:
    write(tmp_path, {"main.cjs": 'require("canvas");', "canvas/index.js": "exports.own = 'our canvas';"})
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/canvas").symlink_to(tmp_path / "canvas")
    assert "our canvas" in make_bundle(tmp_path / "main.cjs", tmp_path, esbuild).text
