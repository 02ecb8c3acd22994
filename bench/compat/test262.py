"""Runs a sample of the language's own tests, test262, as tasks, and what fails of it in Node.

    python bench/compat/test262.py FOLDER [--sample N] [--under test/language] [--engine starlingmonkey]

FOLDER is a checkout of test262; it is never part of this repository. Every program is bundled and run as the
user's are, in a sandbox of its own. Bundles are strict and have no global scope to themselves, so tests that
need sloppy code, a script's global scope, another realm or an error of the parser are left out. A failure
that Node shares (where there is one on the path) is the test's, or the language's future.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from capsule import run_sync
from capsule.errors import CapsuleError

LEFT_OUT_FLAGS = frozenset({"noStrict", "raw", "CanBlockIsFalse", "CanBlockIsTrue", "non-deterministic"})
LEFT_OUT_FEATURES = frozenset(
    {"Temporal", "ShadowRealm", "tail-call-optimization", "cross-realm", "dynamic-import", "import-defer"}
    | {"source-phase-imports", "decorators", "Atomics", "SharedArrayBuffer", "IsHTMLDDA", "top-level-await"}
    | {"json-modules", "import-attributes", "import-bytes", "import-text", "host-gc-required"}
)
"""Needs another realm, module files that are named at run time, or is not in the language yet."""

LEFT_OUT_FOLDERS = ("global-code", "module-code", "import", "export", "directive-prologue", "eval-code")
ALWAYS = ("assert.js", "sta.js")
DONE = """
let __settle;
const __settled = new Promise((resolve, reject) => { __settle = [resolve, reject]; });
const $DONE = (error) => (error ? __settle[1](error) : __settle[0]());
"""
BROWSER_LIKE = re.compile(r"\$262|\bfnGlobalObject\b|\bWScript\b")


@dataclass(frozen=True, slots=True)
class Case:
    """A test: its name, its program, and the name of the error with which it is to end, if any."""

    name: str
    program: str
    error: str | None


def read_case(suite: Path, file: Path) -> Case | None:
    """The program of a test file; None for one that can't apply."""
    source = file.read_text("utf-8")
    found = re.search(r"/\*---(.*?)---\*/", source, re.DOTALL)
    if found is None or "_FIXTURE" in file.name or BROWSER_LIKE.search(source):
        return None
    head = found[1]
    flags, features = _listed(head, "flags"), _listed(head, "features")
    if flags & LEFT_OUT_FLAGS or features & LEFT_OUT_FEATURES:
        return None
    negative = re.search(r"^negative:\s*\n\s+phase:\s*(\w+)\s*\n\s+type:\s*(\w+)", head, re.MULTILINE)
    if negative is not None and negative[1] != "runtime":
        return None
    names = [*ALWAYS, *sorted(_listed(head, "includes"))]
    parts = [(suite / "harness" / name).read_text("utf-8") for name in names]
    if "async" in flags:
        parts = [DONE, *parts, source, "await __settled;"]
    else:
        parts.append(source)
    program = "\n".join([*parts, 'export const main = () => "ended";\n'])
    return Case(str(file.relative_to(suite)), program, negative[2] if negative else None)


def _listed(head: str, key: str) -> set[str]:
    inline = re.search(rf"^{key}:\s*\[(.*?)\]", head, re.MULTILINE | re.DOTALL)
    if inline is not None:
        return {word.strip() for word in inline[1].split(",") if word.strip()}
    block = re.search(rf"^{key}:\s*\n((?:\s+- .*\n?)+)", head, re.MULTILINE)
    return set() if block is None else set(re.findall(r"- (\S+)", block[1]))


def failure(case: Case, folder: Path) -> str | None:
    """What went wrong with a test in a sandbox; None when nothing did."""
    file = folder / "main.mjs"
    file.write_text(case.program, "utf-8")
    try:
        outcome = run_sync(file, limits={"timeout": "20s"}, on_output=lambda stream, text: None)
    except CapsuleError as error:
        return f"build: {error.message}"
    if outcome.success:
        return None if case.error is None else f"no {case.error}"
    assert outcome.error is not None
    message: str = outcome.error["message"]
    return None if case.error and case.error in message else f"{outcome.error['error_type']}: {message}"


def fails_in_node(case: Case, folder: Path) -> bool:
    """Whether Node fails, too."""
    node = shutil.which("node")
    if node is None:
        return False
    text = folder / "node.mjs"
    text.write_text(case.program, "utf-8")
    done = subprocess.run([node, text], capture_output=True, text=True, timeout=60, check=False)
    return case.error not in done.stderr if case.error else done.returncode != 0


def main() -> None:
    """Prints the share that passes, and what fails here and not in Node."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--under", default="test/language")
    parser.add_argument("--sample", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="quickjs")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    files = sorted((given.suite / given.under).rglob("*.js"))
    files = [file for file in files if not set(file.parts) & set(LEFT_OUT_FOLDERS)]
    cases = [case for file in files if (case := read_case(given.suite, file)) is not None]
    random.Random(given.seed).shuffle(cases)
    cases = cases[: given.sample]
    ours: dict[str, str] = {}
    shared = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="test262-") as folder, ThreadPoolExecutor(given.jobs) as threads:

        def one(case: Case) -> None:
            place = Path(folder) / case.name.replace("/", "_")
            place.mkdir()
            (place / "capsule.toml").write_text(f'[javascript]\nengine = "{given.engine}"\n', "utf-8")
            what = failure(case, place)
            if what is not None:
                if fails_in_node(case, place):
                    shared["fails in Node too"] += 1
                else:
                    ours[case.name] = what

        list(threads.map(one, cases))
    for name, what in sorted(ours.items()):
        print(f"{name}: {what[:200]}")
    tried = len(cases) - sum(shared.values())
    print(
        f"{tried - len(ours)} of {tried} that Node passes ({100 * (tried - len(ours)) / max(1, tried):.2f} %)"
    )
    print(f"{sum(shared.values())} fail in Node too", file=sys.stderr)


if __name__ == "__main__":
    main()
