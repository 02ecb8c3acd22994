"""Sandboxes from an ordinary program: this file runs on the host, the files it names in sandboxes.

$ python in_code.py
"""

import asyncio
from pathlib import Path

from capsule import run

HERE = Path(__file__).parent

SNIPPETS = {
    "arithmetic": "result = 6 * 7",
    "standard library": "import statistics\nresult = statistics.median([3, 1, 2])",
    "error": "result = 1 / 0",
    "endless": "while True: pass",
    "greedy": "result = len(bytearray(500_000_000))",
}


async def main() -> None:
    # Each snippet has a sandbox of its own; they run side by side and can't disturb each other.
    outcomes = await asyncio.gather(
        *(run(file=HERE / "untrusted.py", args=[code]) for code in SNIPPETS.values())
    )
    for name, outcome in zip(SNIPPETS, outcomes, strict=True):
        print(f"{name}: {outcome['result']}")


if __name__ == "__main__":
    asyncio.run(main())
