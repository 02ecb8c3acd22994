"""The child of `compare`: calls `capsule.run` of the environment that it runs in, on command.

Works with both implementations. A line on stdin says how many runs to make at once; the answer, one
line on stdout, is the seconds that they took together.
"""

import asyncio
import json
import sys
import time

from capsule import run


async def main(file: str) -> None:
    # The first runs start processes, read caches and import: they are not what is measured.
    for _ in range(3):
        await once(file)
    print("ready", flush=True)
    for line in sys.stdin:
        count = int(line)
        started = time.perf_counter()
        await asyncio.gather(*(once(file) for _ in range(count)))
        print(time.perf_counter() - started, flush=True)


async def once(file: str) -> None:
    outcome = await run(file=file, args=[])
    if not outcome["success"]:
        raise RuntimeError(json.dumps(outcome["error"]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
