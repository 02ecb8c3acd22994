"""Tables of calls, compared with what Node 22 answers (``answers/record.py`` records that)."""

from pathlib import Path

import pytest
from capsule_js.finishing import finish

ENGINES = ("quickjs", "starlingmonkey")
FOLDER = Path(__file__).parent / "answers"
PRELUDE = (FOLDER / "prelude.js").read_text("utf-8")
TABLES = sorted(path.stem for path in FOLDER.glob("*.txt"))


def test_every_table_has_its_answers():
    assert {path.stem for path in FOLDER.glob("*.js")} - {"prelude"} == set(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_answers_are_those_of_node(call, tmp_path, name):
    table = (FOLDER / f"{name}.js").read_text("utf-8")
    source = (
        'const { task } = require("@capsule-run/sdk");\n'
        f'{PRELUDE}\ntask({{ name: "main" }}, async () => {{\n{table}\n}});'
    )
    bundle, _ = finish(source.encode(), ())
    done = call(bundle.decode(), files=[(tmp_path, "/answers", True)], env={"ROOT": "/answers"})
    assert done.answer is not None, done
    assert done.answer.get("result", done.answer) is None, done.answer
    expected = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    assert done.out.splitlines() == expected
