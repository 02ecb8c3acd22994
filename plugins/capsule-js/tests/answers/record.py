"""Records answers: ``python record.py NODE [TABLE...]``, NODE being a Node 22, writes the ``*.txt``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PRELUDE = (HERE / "prelude.js").read_text("utf-8")


def main() -> None:
    """Runs every table in a folder of its own."""
    only = sys.argv[2:]
    for table in sorted(HERE.glob("*.js")):
        if table.stem == "prelude" or (only and table.stem not in only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "program.cjs"
            program.write_text(f"{PRELUDE}(async () => {{\n{table.read_text('utf-8')}\n}})();\n", "utf-8")
            root = Path(folder) / "root"
            root.mkdir()
            done = subprocess.run(
                [sys.argv[1], "--no-warnings", program],
                cwd=root,
                env={"ROOT": str(root.resolve()), "TZ": "UTC"},
                capture_output=True,
                text=True,
                check=True,
            )
        table.with_suffix(".txt").write_text(done.stdout, "utf-8")


if __name__ == "__main__":
    main()
