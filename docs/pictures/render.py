"""Draws the README's picture: a real run in a real terminal, as SVG.

Run it from the repository's root after a change of what `capsule trace` prints::

    uv run python docs/pictures/render.py
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sysconfig
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
COMMAND = Path(sysconfig.get_path("scripts")) / "capsule"
COLUMNS, ROWS = 126, 40
THEME = TerminalTheme(
    (13, 17, 23),
    (214, 222, 235),
    [(1, 22, 39), (239, 83, 80), (34, 218, 110), (197, 228, 120), (130, 170, 255), (199, 146, 234),
     (33, 199, 168), (214, 222, 235)],
    [(110, 120, 130), (239, 83, 80), (34, 218, 110), (255, 235, 149), (130, 170, 255), (199, 146, 234),
     (127, 219, 202), (255, 255, 255)],
)  # fmt: skip
# rich's own page fetches a font from another host; a picture of ours asks nobody for anything.
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>A run of candidates.py, and its record</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def main() -> None:
    """Runs the program and asks for its record, each in a terminal, and writes what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(HERE / "candidates.py", folder)
        _in_a_terminal(folder, "build", "candidates.py")
        run = _in_a_terminal(folder, "run", "candidates.py")
        listed = _in_a_terminal(folder, "trace", "--json")
        name = listed.split('"id":', 1)[1].split('"')[1][:6]
        trace = _in_a_terminal(folder, "trace", name)
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for command, shown in (("run candidates.py", run), (f"trace {name}", trace)):
        console.print(Text(f"$ capsule {command}", style="bold"))
        console.print(Text.from_ansi(shown))
    console.save_svg(
        str(HERE / "run.svg"), title="capsule", theme=THEME, code_format=FORMAT, unique_id="capsule"
    )


def _in_a_terminal(folder: str, *arguments: str) -> str:
    """What a command writes to a terminal of ``COLUMNS`` columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm-256color"}
    child = subprocess.Popen(
        [COMMAND, *arguments], cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = bytearray()
    while True:
        try:
            some = os.read(ours, 65536)
        except OSError:  # Linux says so when the last writer is gone
            break
        if not some:
            break
        seen += some
    os.close(ours)
    child.wait()
    return seen.decode().replace("\r\n", "\n").rstrip("\n")


if __name__ == "__main__":
    main()
