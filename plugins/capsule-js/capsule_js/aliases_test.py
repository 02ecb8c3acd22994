from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from capsule_js.aliases import alias_places


def places(root: Path, configs: dict[str, object], *imports: str, folder: str = "src") -> set[str]:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, value in configs.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))
    found = alias_places([root / folder], imports)
    return {str(Path(place).relative_to(root)) for place in found}


def options(**values: object) -> dict[str, object]:
    return {"compilerOptions": values}


def test_names_below_a_base(tmp_path: Path) -> None:
    assert places(tmp_path, {"tsconfig.json": options(baseUrl="lib")}, "a", "@s/b") == {"lib/a", "lib/@s/b"}


def test_built_in_names_are_never_looked_for(tmp_path: Path) -> None:
    assert places(tmp_path, {"tsconfig.json": options(baseUrl=".")}, "fs", "node:zlib", "mine") == {"mine"}


def test_paths_with_and_without_a_base(tmp_path: Path) -> None:
    paths = {"@/*": ["./*", "gen/*.gen"], "exact": ["one"], "a*c": ["mid/*"]}
    names = ("@/x/y", "exact", "exactly", "abbc", "ac")
    assert places(tmp_path, {"tsconfig.json": options(paths=paths)}, *names) == {
        *("x/y", "gen/x/y.gen", "one", "mid/bb", "mid"),
    }
    based = places(tmp_path, {"tsconfig.json": options(paths=paths, baseUrl="src")}, "@/x")
    assert based == {"src/x", "src/gen/x.gen", "src/@/x"}


def test_what_is_extended_counts_from_where_it_lies_and_the_nearest_wins(tmp_path: Path) -> None:
    configs: dict[str, object] = {
        "tsconfig.json": {"extends": ["./config/one", "./config/two.json"]},
        "config/one.json": options(baseUrl="."),
        "config/two.json": options(paths={"p": ["q"]}),
    }
    assert places(tmp_path, configs, "p") == {"config/q", "config/p"}
    assert places(
        tmp_path, {"tsconfig.json": {"extends": "./config/one", **options(baseUrl="lib")}}, "p"
    ) == {"lib/p"}
    assert places(tmp_path, {"src/tsconfig.json": {}}, "p") == set()
    assert places(tmp_path, {"other/jsconfig.json": options(baseUrl=".")}, "p", folder="other") == {"other/p"}


def test_comments_and_last_commas(tmp_path: Path) -> None:
    text = '\ufeff{ // "a\n "compilerOptions": { /* } */ "baseUrl": "x//y,}" , /* */ }, }'
    assert places(tmp_path, {"tsconfig.json": text}, "p") == {"x/y,}/p"}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"extends": "./tsconfig.json"}', "{" * 900_000, '"' + '\\"' * 400_000, "/*" * 400_000]
)
def test_a_configuration_that_is_none_ends_at_once(tmp_path: Path, text: str) -> None:
    started = time.monotonic()
    assert places(tmp_path, {"tsconfig.json": text}, "p") == set()
    assert time.monotonic() - started < 5
