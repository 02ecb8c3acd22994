from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from capsule.errors import BuildError, Location
from capsule_js.bundle import Bundle, Esbuild, make_bundle
from capsule_js.engine import builtins


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def bundle(root: Path, esbuild: Esbuild, files: dict[str, str], source: str = "main.ts") -> Bundle:
    write(root, files)
    return make_bundle(root / source, root, esbuild)


def refused(root: Path, esbuild: Esbuild, files: dict[str, str], source: str = "main.ts") -> BuildError:
    with pytest.raises(BuildError) as caught:
        bundle(root, esbuild, files, source)
    return caught.value


def test_the_bundle_has_no_import_and_no_export_left(esbuild: Esbuild, tmp_path: Path) -> None:
    made = bundle(
        tmp_path,
        esbuild,
        {
            "main.ts": 'import { x } from "./lib/x.js";\nexport const y = await x;',
            "lib/x.ts": "export const x = 1;",
        },
    )
    assert re.search(r"\b(import|export)\b", made.text) is None
    assert set(made.own) == {"main.ts", "lib/x.ts"}
    assert "main.ts" in json.loads(made.source_map)["sources"], "sources are named from the project root"


@pytest.mark.parametrize(
    "name", ["fs", "node:fs", "fs/promises", "node:fs/promises", "@capsule-run/sdk", "events"]
)
def test_what_the_engine_brings_is_taken_from_it(esbuild: Esbuild, tmp_path: Path, name: str) -> None:
    made = bundle(tmp_path, esbuild, {"main.ts": f'import * as m from "{name}"; console.log(m);'})
    wanted = name.removeprefix("node:")
    assert f'globalThis.__capsule_builtins["{wanted}"]' in made.text.replace("\n", "")


def test_an_installed_sdk_is_replaced_by_the_engines(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {
        "main.ts": 'import { task } from "@capsule-run/sdk"; task();',
        "node_modules/@capsule-run/sdk/package.json": '{"name": "@capsule-run/sdk", "main": "index.js"}',
        "node_modules/@capsule-run/sdk/index.js": 'export const task = "the installed one";',
    }
    assert "the installed one" not in bundle(tmp_path, esbuild, files).text


def test_a_folder_named_like_a_builtin_is_the_projects_own(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {
        "main.ts": 'import { color } from "constants/colors"; console.log(color);',
        "src/constants/colors.ts": 'export const color = "blue";',
        "tsconfig.json": '{"compilerOptions": {"baseUrl": "src"}}',
    }
    assert "blue" in bundle(tmp_path, esbuild, files).text


def test_paths_of_tsconfig_are_followed(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {
        "main.ts": 'import { a } from "@/a"; console.log(a);',
        "src/a.ts": "export const a = 'via paths';",
        "tsconfig.json": '{"compilerOptions": {"paths": {"@/*": ["./src/*"]}}}',
    }
    assert "via paths" in bundle(tmp_path, esbuild, files).text


@pytest.mark.parametrize(
    "settings",
    [
        {"exports": {".": {"worker": "./worker.js", "browser": "./worker.js", "default": "./node.js"}}},
        {"exports": {".": {"node": "./node.js", "import": "./worker.js"}}},
        {"main": "./node.js", "module": "./worker.js", "browser": "./worker.js"},
        {"main": "./node.js", "browser": {"./node.js": "./worker.js"}},
    ],
)
def test_packages_are_taken_as_node_takes_them(
    esbuild: Esbuild, tmp_path: Path, settings: dict[str, object]
) -> None:
    package = {"name": "p", **settings}
    files = {
        "main.ts": 'import p from "p"; console.log(p);',
        "node_modules/p/package.json": json.dumps(package),
        "node_modules/p/worker.js": "export default 'for workers';",
        "node_modules/p/node.js": "export default 'for node';",
    }
    made = bundle(tmp_path, esbuild, files)
    assert "for node" in made.text
    assert made.packages == ("node_modules/p/node.js",)
    assert set(made.own) == {"main.ts"}


def test_a_workspace_package_is_the_projects_own(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {
        "app/main.ts": 'import { u } from "@my/lib"; console.log(u);',
        "lib/package.json": '{"name": "@my/lib", "main": "index.ts"}',
        "lib/index.ts": "export const u = 'workspace';",
    }
    write(tmp_path, files)
    (tmp_path / "node_modules/@my").mkdir(parents=True)
    (tmp_path / "node_modules/@my/lib").symlink_to(tmp_path / "lib")
    made = make_bundle(tmp_path / "app/main.ts", tmp_path, esbuild)
    assert "workspace" in made.text
    assert set(made.own) == {"app/main.ts", "lib/index.ts"}


def test_jsx_and_json_and_commonjs_are_bundled(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {
        "main.tsx": 'import d from "./d.json"; import { c } from "./c.cjs"; console.log(<p>{d.v}{c}</p>);',
        "d.json": '{"v": "from json"}',
        "c.cjs": "exports.c = 'from commonjs';",
    }
    made = bundle(tmp_path, esbuild, files, "main.tsx")
    assert "from json" in made.text
    assert "from commonjs" in made.text
    assert "React.createElement" in made.text


def test_types_alone_bring_no_module_in(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {
        "main.ts": 'import type { T } from "./t"; export const x: T = 1;',
        "t.ts": "export type T = number;",
    }
    assert set(bundle(tmp_path, esbuild, files).own) == {"main.ts"}


def test_names_of_functions_stay_readable(esbuild: Esbuild, tmp_path: Path) -> None:
    made = bundle(tmp_path, esbuild, {"main.ts": "export function computeEverything() {}"})
    assert "computeEverything" in made.text


def test_the_same_files_give_the_same_bundle(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {"main.ts": 'import "./a"; import "fs";', "a.ts": "console.log(1);"}
    assert bundle(tmp_path / "1", esbuild, files) == bundle(tmp_path / "2", esbuild, files)


def test_a_module_that_is_dropped_is_not_kept(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {
        "main.ts": 'import { unused } from "./lib/a"; import "./b"; console.log(1);',
        "lib/a.ts": "export const unused = 1; console.log(2);",
        "lib/package.json": '{"sideEffects": false}',
        "b.ts": "console.log(3);",
    }
    assert bundle(tmp_path, esbuild, files).kept == ("b.ts", "main.ts")


def test_packages_that_use_the_sdk_are_named(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {
        "main.ts": 'import "p";',
        "node_modules/p/index.js": 'require("@capsule-run/sdk").task({ name: "p" }, () => 1);',
    }
    assert bundle(tmp_path, esbuild, files).packages_with_tasks == ("node_modules/p/index.js",)


def test_a_syntax_error_names_file_and_line_and_shows_it(esbuild: Esbuild, tmp_path: Path) -> None:
    files = {"main.ts": 'import "./src/b";', "src/b.ts": "\n\nconst x: number = ;\n"}
    error = refused(tmp_path, esbuild, files)
    assert error.location == Location("src/b.ts", 3)
    assert error.message == 'unexpected ";"'
    assert error.traceback == f'src/b.ts:3:19: Unexpected ";"\n    const x: number = ;\n    {" " * 18}^'


def test_a_missing_package_is_an_error_that_says_what_to_type(esbuild: Esbuild, tmp_path: Path) -> None:
    error = refused(tmp_path, esbuild, {"main.ts": '\nimport { z } from "@scope/zod/mini"; z();'})
    assert error.location == Location("main.ts", 2)
    assert error.hint == "npm install @scope/zod"


def test_a_missing_module_of_the_project_is_no_reason_to_install(esbuild: Esbuild, tmp_path: Path) -> None:
    error = refused(tmp_path, esbuild, {"main.ts": 'import "./nowhere";'})
    assert error.location == Location("main.ts", 1)
    assert "npm" not in (error.hint or "")


def test_an_unknown_node_module_is_an_error(esbuild: Esbuild, tmp_path: Path) -> None:
    error = refused(tmp_path, esbuild, {"main.ts": 'import "node:qerystring";'})
    assert "node:qerystring" in error.message
    assert error.hint == "did you mean node:querystring?"
    assert error.location == Location("main.ts", 1)


@pytest.mark.parametrize("address", ["https://esm.example/zod", "http://a.example/x.js", "//a.example/x.js"])
def test_a_module_on_the_network_is_an_error(esbuild: Esbuild, tmp_path: Path, address: str) -> None:
    error = refused(tmp_path, esbuild, {"main.ts": f'\nimport x from "{address}"; console.log(x);'})
    assert address in error.message
    assert error.location == Location("main.ts", 2)


def test_native_code_is_an_error_that_says_why(esbuild: Esbuild, tmp_path: Path) -> None:
    error = refused(tmp_path, esbuild, {"main.ts": 'import "./a.node";', "a.node": "\x7fELF"})
    assert error.message == "a.node is native code, which can't run in a sandbox"
    assert "plain JavaScript" in str(error.hint)


def test_many_errors_are_counted(esbuild: Esbuild, tmp_path: Path) -> None:
    error = refused(tmp_path, esbuild, {"main.ts": "".join(f'import "./m{n}";\n' for n in range(9))})
    assert error.traceback is not None
    assert "and 4 more errors" in error.traceback


def test_every_builtin_is_bundled_in_both_spellings(esbuild: Esbuild, tmp_path: Path) -> None:
    lines = []
    for number, name in enumerate(sorted(builtins())):
        prefix = "" if name.startswith("@") else "node:"
        lines.append(f'import * as a{number} from "{name}"; import * as b{number} from "{prefix}{name}";')
        lines.append(f"console.log(a{number}, b{number});")
    made = bundle(tmp_path, esbuild, {"main.ts": "\n".join(lines)})
    assert made.text.count("__capsule_builtins") == len(builtins())


def test_a_native_package_says_what_to_use_instead(esbuild: Esbuild, tmp_path: Path) -> None:
    error = refused(tmp_path, esbuild, {"main.ts": 'import sharp from "sharp"; sharp();'})
    assert str(error.hint).startswith("sharp is native code, which can't run in a sandbox; use jimp")
