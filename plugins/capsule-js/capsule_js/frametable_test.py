from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_js.bundle import Esbuild, make_bundle
from capsule_js.engine import GUEST
from capsule_js.frametable import frame_table
from capsule_js.toolchain import ManagedToolchain


def source_map(mappings: str, sources: tuple[str, ...] = ("a.ts",)) -> bytes:
    return json.dumps({"version": 3, "sources": list(sources), "mappings": mappings}).encode()


def test_each_line_of_the_bundle_has_its_segments_in_base_36() -> None:
    table = frame_table(source_map("AAAA,SAAQ;;AACA,+lBCDD", ("a.ts", "b.ts")))
    assert table == '["a.ts","b.ts"]\n0,0,0,0;9,0,0,8\n\n0,0,1,8;gv,1,0,7'


def test_segments_without_a_source_are_left_out() -> None:
    assert frame_table(source_map("A,CAAA")).splitlines()[1] == "1,0,0,0"


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b'{"version": 2}',
        b'{"version": 3, "sources": 1, "mappings": ""}',
        source_map("!"),
        source_map("ADAA"),
    ],
)
def test_what_is_no_source_map_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"source map|before the beginning"):
        frame_table(content)


@given(st.text("AZaz09+/;,gC", max_size=80))
def test_hostile_mappings_are_an_error_or_a_table_of_as_many_lines(mappings: str) -> None:
    try:
        table = frame_table(source_map(mappings))
    except ValueError:
        return
    assert table.count("\n") == mappings.count(";") + 1


def test_the_table_is_the_one_that_the_engines_own_script_makes(
    esbuild: Esbuild, managed: ManagedToolchain, tmp_path: Path
) -> None:
    (tmp_path / "b.ts").write_text("export function b(x: number) {\n\n  return () => x + 1;\n}\n")
    (tmp_path / "main.tsx").write_text('import { b } from "./b";\nconsole.log(b(1)(), <a b="c" />);\n')
    bundle = make_bundle(tmp_path / "main.tsx", tmp_path, esbuild)
    (tmp_path / "map.json").write_bytes(bundle.source_map)
    script = (
        f"import {{ frameTable }} from {json.dumps((GUEST / 'frametable.mjs').as_uri())};"
        "import { readFileSync } from 'node:fs';"
        "process.stdout.write(frameTable(JSON.parse(readFileSync('map.json', 'utf8'))));"
    )
    command = [str(managed.node(print)), "--input-type=module", "-e", script]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert frame_table(bundle.source_map) == made.stdout
