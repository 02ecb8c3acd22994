"""What a program finds in the sandbox: each `test("promise", ...)` of guest/*.js in a sandbox of its own."""

import re
from pathlib import Path

import pytest

ENGINES = ("quickjs", "starlingmonkey")
FOLDER = Path(__file__).parent / "guest"
PRELUDE = """
const { task } = require("@capsule-run/sdk");
const assert = require("node:assert");
const test = (name, fn) => task({ name }, fn);
"""
CASES = [
    (path.stem, name)
    for path in sorted(FOLDER.glob("*.js"))
    for name in re.findall(r'^test\("([^"]+)"', path.read_text("utf-8"), re.MULTILINE)
]


def test_the_table_of_cases_is_not_empty():
    assert len(CASES) > 50


@pytest.mark.parametrize(("program", "name"), CASES)
def test_guest(call, server, tmp_path, program, name):
    for folder in ("output", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "output" / "in.txt").write_text("häl\nzwei\ndrei", "utf-8")
    (tmp_path / "data" / "given.txt").write_text("given")
    files = [(tmp_path / "output", "/output", True), (tmp_path / "data", "/data", False)]
    source = PRELUDE + (FOLDER / f"{program}.js").read_text("utf-8")
    assert call(source, name, files=files, env={"SERVER": server, "FOO": "bar"}).result is None
