"""Fuzzes a target for as long as you like::

    uv run python tests/fuzz/run.py --list
    uv run python tests/fuzz/run.py artifact --seconds 600
    uv run --with atheris python tests/fuzz/run.py artifact --seconds 3600 --engine atheris
    uv run python tests/fuzz/run.py artifact --input FILE

Hypothesis edits the seeds and gives the smallest input that fails. Atheris (libFuzzer) looks for inputs that
take new branches: that pays in hours, not in seconds. An input that fails is written to ``--out``; put it
into ``tests/fuzz/seeds/TARGET`` along with the correction. Ends with 1 when something failed.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from fuzzing.target import HANGS_AFTER, LARGEST_INPUT, SEEDS, TARGETS, Target

BATCH = 2000
INSTRUMENTED = [
    "capsule",
    "capsule_cache",
    "capsule_python",
    "capsule_js",
    "capsule_c",
    "capsule_wat",
    "dotenv",
]
"""Packages whose branches Atheris watches."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzzes one of the host's parsers.")
    parser.add_argument("target", nargs="?", help="the target's name, or 'all'")
    parser.add_argument("--seconds", type=float, default=60, help="how long, for each target (60)")
    parser.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for inputs that fail (here)")
    parser.add_argument("--input", type=Path, help="try the one input in this file")
    parser.add_argument("--list", action="store_true", help="say which targets there are")
    options = parser.parse_args()
    if options.engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=INSTRUMENTED):
            register()
    else:
        register()
    if options.list or options.target is None:
        for name, target in TARGETS.items():
            print(f"{name:28} {(target.check.__doc__ or '').splitlines()[0]}")
        return 0
    names = list(TARGETS) if options.target == "all" else [options.target]
    if not set(names) <= set(TARGETS):
        parser.error(f"no target {options.target!r}; --list says which there are")
    if options.input is not None:
        for name in names:
            print(f"{name}: {'taken' if TARGETS[name].run(options.input.read_bytes()) else 'refused'}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    if options.engine == "atheris" and len(names) > 1:  # libFuzzer ends its process
        return max(_again(name, options) for name in names)
    run = with_atheris if options.engine == "atheris" else with_hypothesis
    return max(run(TARGETS[name], options.seconds, options.out) for name in names)


def register() -> None:
    """Imports the targets, and the parsers with them."""
    from fuzzing import artifacts, policies, protocols, sources  # noqa: F401


def with_hypothesis(target: Target, seconds: float, out: Path) -> int:
    from fuzzing.mutation import mutated
    from hypothesis import HealthCheck, given, seed, settings

    target.warm_up()
    end = time.monotonic() + seconds
    counts = {True: 0, False: 0}
    failing = b""

    def tried(data: bytes) -> None:
        nonlocal failing
        if time.monotonic() > end:
            return
        failing = data
        counts[target.run(data)] += 1

    configured = settings(
        max_examples=BATCH, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    while time.monotonic() < end:
        try:
            seed(random.getrandbits(64))(configured(given(mutated(target))(tried)))()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            traceback.print_exc()
            # The last input that Hypothesis gives is the smallest.
            file = out / f"{target.name}-{hashlib.sha256(failing).hexdigest()[:12]}"
            file.write_bytes(failing)
            print(f"{target.name}: FAILED, with {file}: {failing[:200]!r}")
            return 1
    print(f"{target.name}: {sum(counts.values())} inputs, {counts[True]} taken, none failed", flush=True)
    return 0


def with_atheris(target: Target, seconds: float, out: Path) -> int:
    import atheris

    target.warm_up()
    with tempfile.TemporaryDirectory(prefix="capsule-fuzz-") as folder:
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens if len(token) <= 64))
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        arguments = [
            sys.argv[0],
            str(corpus),
            str(SEEDS / target.name),
            f"-max_total_time={int(seconds)}",
            f"-max_len={LARGEST_INPUT}",
            f"-timeout={2 * HANGS_AFTER}",
            f"-dict={words}",
            f"-artifact_prefix={out}/{target.name}-",
            "-print_final_stats=1",
        ]
        atheris.Setup(arguments, target.run)
        atheris.Fuzz()
    return 0


def _again(name: str, options: argparse.Namespace) -> int:
    """Runs this command for one target in a process of its own."""
    command = [sys.executable, __file__, name, "--seconds", str(options.seconds)]
    return subprocess.run(
        [*command, "--engine", "atheris", "--out", str(options.out)], check=False
    ).returncode


def _escaped(token: bytes) -> str:
    """A token as libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    sys.exit(main())
