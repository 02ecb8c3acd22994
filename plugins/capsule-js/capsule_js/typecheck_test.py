from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from capsule.errors import BuildError
from capsule.frontend.spec import Source
from capsule_js.esbuild import Message
from capsule_js.toolchain import ManagedToolchain
from capsule_js.typecheck import typecheck

MAIN = """import { task } from "@capsule-run/sdk";
import fs from "node:fs/promises";
import { helper } from "./lib/helper";

export const main = task({ name: "main" }, async (path: string) => helper(await fs.readFile(path, "utf8")));
"""
HELPER = "export const helper = (text: string): number => text.length;\n"


def check(root: Path, host: Any, files: dict[str, str], name: str = "main.ts") -> tuple[Message, ...]:
    for file, content in {"lib/helper.ts": HELPER, "main.ts": MAIN, **files}.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    try:
        return typecheck(Source(root / name, root), ManagedToolchain(), host.progress)
    except BuildError as error:
        if "npm" in error.message:
            pytest.skip(f"needs the TypeScript compiler: {error}")
        raise


def test_a_program_with_sound_types_has_no_problems_and_needs_nothing_installed(
    tmp_path: Path, host: Any
) -> None:
    assert check(tmp_path, host, {}) == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lib", "main.ts"], "nothing is written"


def test_a_wrong_type_in_an_imported_module_is_found_with_its_place(tmp_path: Path, host: Any) -> None:
    (problem,) = check(tmp_path, host, {"lib/helper.ts": HELPER + "\nconst n: number = 'a';\n"})
    assert (problem.file, problem.line, problem.column) == ("lib/helper.ts", 3, 6)
    assert problem.text.startswith("TS2322: ")


def test_a_task_that_is_called_wrongly_is_found(tmp_path: Path, host: Any) -> None:
    (problem,) = check(tmp_path, host, {"main.ts": MAIN + "main(5);\n"})
    assert problem.line == 6


def test_the_projects_own_configuration_counts(tmp_path: Path, host: Any) -> None:
    loose = "export const helper = (text) => text.length;\n"
    assert check(tmp_path, host, {"lib/helper.ts": loose}) != ()
    config = {"compilerOptions": {"strict": False, "target": "es2023", "module": "preserve"}}
    assert check(tmp_path, host, {"lib/helper.ts": loose, "tsconfig.json": json.dumps(config)}) == ()


def test_paths_of_the_project_still_hold_beside_the_sdks(tmp_path: Path, host: Any) -> None:
    config = {"compilerOptions": {"module": "preserve", "paths": {"@lib/*": ["./lib/*"]}}}
    main = MAIN.replace("./lib/helper", "@lib/helper")
    assert check(tmp_path, host, {"main.ts": main, "tsconfig.json": json.dumps(config)}) == ()


def test_files_that_the_program_does_not_import_are_not_checked(tmp_path: Path, host: Any) -> None:
    files = {
        "other.ts": "const n: number = 'a';",
        "tsconfig.json": '{"compilerOptions": {"module": "preserve"}}',
    }
    assert check(tmp_path, host, files) == ()


def test_javascript_has_no_types_to_check(tmp_path: Path, host: Any) -> None:
    assert check(tmp_path, host, {"main.js": "let a = 1; a = 'x';"}, "main.js") == ()


def test_a_configuration_that_is_no_json_is_a_problem_and_no_traceback(tmp_path: Path, host: Any) -> None:
    try:
        problems = check(tmp_path, host, {"tsconfig.json": "{ nonsense"})
    except BuildError as error:
        assert error.location is not None  # noqa: PT017
    else:
        assert problems
