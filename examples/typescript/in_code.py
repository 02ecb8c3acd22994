"""The same sandboxes from a Python program.

$ python in_code.py
"""

import asyncio
from pathlib import Path

from capsule import run

HERE = Path(__file__).parent

SNIPPETS = {"arithmetic": "6 * 7", "error": "null.x", "endless": "for (;;);"}


async def main() -> None:
    outcomes = await asyncio.gather(
        *(run(file=HERE / "untrusted.ts", args=[code]) for code in SNIPPETS.values())
    )
    for name, outcome in zip(SNIPPETS, outcomes, strict=True):
        print(f"{name}: {outcome['result']}")


if __name__ == "__main__":
    asyncio.run(main())
