from __future__ import annotations

from pathlib import Path

import pytest

from capsule.errors import BuildError
from capsule_js.bundle import Esbuild, make_bundle
from capsule_js.reach import Reach

SECRET = "the secret of the host"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project inside a workspace, with a secret beside it."""
    for name in ("work/app/main.ts", "work/lib/index.ts", "work/node_modules/p/index.js"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ("secret.json", "secret.txt", "secret.js"):
        (tmp_path / name).write_text(f'"{SECRET}"')
    (tmp_path / "work/node_modules/@my").mkdir()
    (tmp_path / "work/node_modules/@my/lib").symlink_to("../../lib")
    (tmp_path / "work/node_modules/out").symlink_to(tmp_path)
    (tmp_path / "work/node_modules/all").symlink_to("..")
    return tmp_path / "work/app"


@pytest.mark.parametrize("name", ["main.ts", "new/file.ts", "../node_modules/p/index.js", "../lib/index.ts"])
def test_the_project_and_the_packages_above_it_are_in_reach(root: Path, name: str) -> None:
    assert Reach(root).admits(str(root / name))


@pytest.mark.parametrize(
    "name", ["../../secret.json", "../other.ts", "/etc/passwd", "../node_modules/out/secret.json"]
)
def test_all_else_is_not(root: Path, name: str) -> None:
    assert not Reach(root).admits(str(root / name))


def test_a_link_in_the_project_is_judged_by_where_it_leads(root: Path) -> None:
    (root / "innocent.json").symlink_to("../../secret.json")
    (root / "folder").symlink_to("/etc")
    (root / "main.js").symlink_to("main.ts")
    assert not Reach(root).admits(str(root / "innocent.json"))
    assert not Reach(root).admits(str(root / "folder" / "passwd"))
    assert Reach(root).admits(str(root / "main.js"))


def test_a_projects_own_packages_can_not_link_out_of_it(root: Path) -> None:
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x").symlink_to("../../..")
    assert not Reach(root).admits(str(root / "node_modules" / "x" / "secret.json"))


@pytest.mark.parametrize(
    "statement",
    [
        'import x from "../../secret.json"',
        'import x from "../../secret.txt"',
        'import x from "../../secret.js"',
        'import x from "../../secret.json" with { type: "json" }',
        'import x from "../../secret.txt" with { type: "text" }',
        'import x from "../../secret.txt" with { type: "bytes" }',
        'const x = require("../../secret.json")',
        'const x = await import("../../secret.json")',
        'import x from "./innocent.json"',
        'import x from "./innocent"',
        'import x from "x/secret.json"',
        'import x from "out/secret.txt"',
        'import x from "/ABSOLUTE/secret.json"',
        'import x from "file:///ABSOLUTE/secret.json"',
        'import x from "@alias"',
    ],
)
def test_no_import_carries_a_file_of_the_host_into_a_bundle(
    esbuild: Esbuild, root: Path, statement: str
) -> None:
    outside = root.parent.parent
    (root / "innocent.json").symlink_to("../../secret.json")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x").symlink_to("../../..")
    (root / "tsconfig.json").write_text('{"compilerOptions": {"paths": {"@alias": ["../../secret.json"]}}}')
    statement = statement.replace("/ABSOLUTE", str(outside))
    (root / "main.ts").write_text(f"{statement};\nconsole.log(x);\n")
    with pytest.raises(BuildError) as caught:
        make_bundle(root / "main.ts", root, esbuild)
    assert SECRET not in f"{caught.value}{caught.value.traceback}"


def test_the_error_names_the_file_and_how_to_widen_the_project(esbuild: Esbuild, root: Path) -> None:
    (root / "main.ts").write_text('\nimport x from "../../secret.json";\nconsole.log(x);\n')
    with pytest.raises(BuildError, match="outside the project") as caught:
        make_bundle(root / "main.ts", root, esbuild)
    assert "secret.json" in caught.value.message
    assert caught.value.location is not None
    assert caught.value.location.file == "main.ts"
    assert "capsule.toml" in (caught.value.hint or "")


def test_a_workspace_package_above_the_project_is_bundled(esbuild: Esbuild, root: Path) -> None:
    (root.parent / "lib/package.json").write_text('{"name": "@my/lib", "main": "index.ts"}')
    (root.parent / "lib/index.ts").write_text("export const shared = 'from the workspace';")
    (root / "main.ts").write_text('import { shared } from "@my/lib";\nconsole.log(shared);\n')
    assert "from the workspace" in make_bundle(root / "main.ts", root, esbuild).text
