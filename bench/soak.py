"""Mixed good and hostile tasks from eight callers at once, for as long as one likes.

    uv run python bench/soak.py --seconds 1800

Three callers await `capsule.run` on one event loop, two call `capsule.run_sync` on threads, and three talk
to a ``capsule worker`` each. Now and then a worker process is killed. It ends with 1 when an outcome was
lost, an outcome was not one of those that are right for its task, memory grew, or anything was left at the
end: a process, a descriptor, a temporary file, a run in the record without an end. Needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from soaking.asks import FILES, HOSTILE_PYTHON, Ask, draw, each_once
from soaking.callers import LOST_SECONDS, AsyncCaller, Caller, Lost, ThreadCaller, WorkerCaller
from soaking.processes import adopt_orphans, below, descriptors, kill, left_over, memory
from soaking.tally import Tally
from soaking.trend import Trend, trend

PROGRAMS = Path(__file__).parent / "soaking" / "programs"

SETTLE_SECONDS = 40.0
"""How long workers get to idle away and descriptors to be closed, once nothing is asked any more."""

KILLS_EVERY = (1.0, 8.0)
"""Seconds from one killed worker to the next, at least and at most."""

JUDGED_SECONDS = 300
"""Soaks that are shorter say how memory went, and don't judge it: it is still warming up."""


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A task that was killed in the middle of its request hangs up: that is meant."""


class Soak:
    """One soak, in ``folder``, which is empty and becomes the place for temporary files too."""

    def __init__(self, folder: Path, seconds: float, sample_seconds: float, seed: int) -> None:
        self.seconds = seconds
        self.seed = seed
        self.tally = Tally()
        self.samples: list[dict[str, float]] = []
        self._sample_seconds = sample_seconds
        self._temporary = folder / "tmp"
        self.project = folder / "project"
        self._ending = threading.Event()
        self._callers: list[Caller] = []
        self._open_before: dict[int, int] = {}
        self._url = ""

    def run(self) -> None:
        """Soaks, and finds out what is left."""
        self._lay_out()
        adopt_orphans()
        loop = asyncio.new_event_loop()
        looping = threading.Thread(target=loop.run_forever, name="soak-loop")
        looping.start()
        self._callers += [AsyncCaller(f"run() {number}", loop, self.project) for number in (1, 2, 3)]
        self._callers += [ThreadCaller(f"run_sync() {number}", self.project) for number in (1, 2)]
        self._callers += [WorkerCaller(f"capsule worker {number}", self.project) for number in (1, 2, 3)]
        self._warm_up()
        server = _Server(("127.0.0.1", 0), _Echo)
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        self._url = f"http://127.0.0.1:{server.server_port}/"
        self._soak()
        server.shutdown()
        serving.join()
        server.server_close()
        self._settle()
        self._end_all()
        loop.call_soon_threadsafe(loop.stop)
        looping.join()
        loop.close()
        self._look_for_leftovers()

    def _lay_out(self) -> None:
        (self.project / "data").mkdir(parents=True)
        self._temporary.mkdir()
        for name in FILES:
            shutil.copy(PROGRAMS / name, self.project)
        os.mkfifo(self.project / "data" / "fifo")
        (self.project.parent / "secret").write_text("nobody reads this")
        # Ours, and that of the capsules we start: whatever is forgotten lies here at the end.
        os.environ["TMPDIR"] = tempfile.tempdir = str(self._temporary)

    def _warm_up(self) -> None:
        """Everything is built, and every host has run something: descriptors are counted from here."""
        for caller in self._callers:
            for file in FILES if caller is self._callers[0] else (HOSTILE_PYTHON,):
                ask = Ask("warm-up", file, "main", hostile=False, errors=frozenset({"timeout"}))
                outcome = caller.ask(ask)
                if problem := ask.problem(outcome):
                    raise SystemExit(f"{file}: {problem}")
        self._open_before = {caller.host: descriptors(caller.host) for caller in self._callers}

    def _soak(self) -> None:
        threads = [
            threading.Thread(target=self._ask, args=(caller, number), name=caller.name, daemon=True)
            for number, caller in enumerate(self._callers)
        ]
        helpers = [threading.Thread(target=target) for target in (self._watch, self._kill_workers)]
        for thread in threads + helpers:
            thread.start()
        self._ending.wait(self.seconds)
        self._ending.set()
        until = time.monotonic() + LOST_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        for thread in helpers:
            thread.join()
        for caller, ask in self.tally.waiting(0):
            self.tally.lose(caller, ask, "no outcome")

    def _ask(self, caller: Caller, number: int) -> None:
        random = Random(self.seed * 1000 + number)
        todo = each_once(random, self._url)
        while not self._ending.is_set():
            ask = todo.pop() if todo else draw(random, self._url)
            if ask.cancel_after is not None and not caller.can_cancel:
                continue
            self.tally.begin(caller.name, ask)
            try:
                outcome = caller.ask(ask)
            except Lost as lost:
                self.tally.lose(caller.name, ask, str(lost))
                return
            except Exception as error:
                self.tally.lose(caller.name, ask, f"{type(error).__name__}: {error}")
                return
            self.tally.end(caller.name, caller.host, ask, outcome)

    def _watch(self) -> None:
        began = time.monotonic()
        told = 0
        while not self._ending.wait(self._sample_seconds):
            now = below(self._worker_hosts)
            sample: dict[str, float] = {
                "at": time.monotonic() - began,
                "hosts": sum(map(memory, now.hosts + now.zygotes)),
                "workers": sum(memory(pid) for pids in now.workers.values() for pid in pids),
                "processes": len(now.hosts + now.zygotes + now.others) + sum(map(len, now.workers.values())),
                "load": os.getloadavg()[0],
            }
            self.samples.append(sample)
            if sample["at"] // 60 > told:
                told = int(sample["at"] // 60)
                sys.stderr.write(
                    f"{told} min: {self.tally.runs} runs, {self.tally.violation_count} violations, "
                    f"hosts {sample['hosts'] / 1e6:.0f} MB, workers {sample['workers'] / 1e6:.0f} MB\n"
                )
            for caller, ask in self.tally.waiting(LOST_SECONDS):
                self.tally.lose(caller, ask, "no outcome")

    def _kill_workers(self) -> None:
        random = Random(self.seed)
        while not self._ending.wait(random.uniform(*KILLS_EVERY)):
            workers = below(self._worker_hosts).workers
            victims = [(host, pid) for host, pids in workers.items() for pid in pids]
            if victims:
                host, pid = random.choice(victims)
                self.tally.killing(host)  # before: its outcome may come at once
                if signal := kill(pid, random):
                    self.tally.kills[signal] += 1

    @property
    def _worker_hosts(self) -> tuple[int, ...]:
        return tuple(caller.host for caller in self._callers if caller.host != os.getpid())

    def _settle(self) -> None:
        """Nothing is asked any more: workers have to go, and descriptors with them."""
        until = time.monotonic() + SETTLE_SECONDS

        def busy() -> list[str]:
            now = below(self._worker_hosts)
            found = [f"host {host} has {len(pids)} workers" for host, pids in now.workers.items() if pids]
            for host, before in self._open_before.items():
                if (count := descriptors(host)) > before:
                    found.append(f"host {host} has {count} open files, {before} before")
            return found

        while (found := busy()) and time.monotonic() < until:
            time.sleep(0.2)
        for words in found:
            self.tally.violate(f"{SETTLE_SECONDS:g} s after the last run, {words}")

    def _end_all(self) -> None:
        from capsule.launch.journals import close_journals
        from capsule.workers.pool import pool

        for caller in self._callers:
            try:
                caller.close()
            except Lost as lost:
                self.tally.violate(f"{caller.name}: {lost}")
        pool().close()
        close_journals()

    def _look_for_leftovers(self) -> None:
        for process in left_over():
            self.tally.violate(f"a process is left: {process}")
        for path in self._temporary.iterdir():
            self.tally.violate(f"a temporary file is left: {path.name}")
        for path in (self.project / ".capsule" / "wasm").iterdir():
            if path.suffix not in (".wasm", ".seal"):
                self.tally.violate(f"a file is left in the store: {path.name}")
        with closing(sqlite3.connect(self.project / ".capsule" / "trace.db")) as connection:
            [[said]] = connection.execute("PRAGMA integrity_check").fetchall()
            if said != "ok":
                self.tally.violate(f"the record is damaged: {said}")
            [[endless]] = connection.execute("SELECT count(*) FROM runs WHERE state IS NULL").fetchall()
            if endless:
                self.tally.violate(f"{endless} runs in the record have no end")

    def memory_trends(self) -> dict[str, Trend | None]:
        """How the memory of the hosts and that of everything went."""
        hosts = [(sample["at"], sample["hosts"]) for sample in self.samples]
        everything = [(sample["at"], sample["hosts"] + sample["workers"]) for sample in self.samples]
        return {"hosts": trend(hosts), "everything": trend(everything)}

    def judge_memory(self) -> None:
        """Counts memory that is not flat as a violation, after a soak that was long enough."""
        for name, found in self.memory_trends().items():
            if self.seconds >= JUDGED_SECONDS and (found is None or not found.flat):
                self.tally.violate(f"memory of {name} is not flat: {found}")

    def judge_kills(self) -> None:
        """A killed worker had at most one run: no more of them are excused."""
        if self.tally.excused > self.tally.kills.total():
            self.tally.violate("more runs ended in a crash than workers were killed")

    def report(self) -> dict[str, Any]:
        """Everything that was found out, for JSON."""
        tally = self.tally
        return {
            "seconds": self.seconds,
            "seed": self.seed,
            "callers": len(self._callers),
            "runs": tally.runs,
            "lost": tally.lost,
            "wrong": tally.wrong,
            "killed_workers": dict(tally.kills),
            "excused": tally.excused,
            "load": sum(sample["load"] for sample in self.samples) / max(1, len(self.samples)),
            "most_processes": max((sample["processes"] for sample in self.samples), default=0),
            "memory": {
                name: None if found is None else asdict(found) | {"flat": found.flat}
                for name, found in self.memory_trends().items()
            },
            "violation_count": tally.violation_count,
            "violations": tally.violations,
            "cases": {
                name: {
                    "hostile": counts.hostile,
                    "runs": counts.runs,
                    "ends": dict(counts.ends),
                    "excused": counts.excused,
                    "slowest": round(counts.slowest, 3),
                }
                for name, counts in sorted(tally.cases.items())
            },
            "samples": self.samples,
        }


def _text(report: dict[str, Any], tell: Callable[[str], None]) -> None:
    """The report for people."""
    size = f"{report['runs']} runs by {report['callers']} callers"
    tell(f"{size} in {report['seconds']:g} s, seed {report['seed']}")
    for name, case in report["cases"].items():
        ends = ", ".join(f"{count} {end}" for end, count in sorted(case["ends"].items()))
        excused = f"; {case['excused']} had their worker killed" if case["excused"] else ""
        tell(f"  {name}: {ends}; slowest {case['slowest']:.2f} s{excused}")
    kills = ", ".join(f"{count} by {name}" for name, count in report["killed_workers"].items()) or "none"
    tell(f"workers killed: {kills}; runs that this ended: {report['excused']}")
    for name, found in report["memory"].items():
        if found is not None:
            tell(
                f"memory of {name}, second half: mean {found['mean'] / 1e6:.0f} MB, growth "
                f"{found['growth']:+.1%} (standard error {found['error']:.1%}), {found['samples']} samples"
            )
    tell(f"processes at most: {report['most_processes']}; load average {report['load']:.1f}")
    tell(f"lost: {report['lost']}; wrong: {report['wrong']}; violations: {report['violation_count']}")
    for words in report["violations"]:
        tell(f"  VIOLATION: {words}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Soaks and reports: lines for people, and then one line of JSON. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sample-seconds", type=float, default=5.0, help="between two looks at memory")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other runs")
    parser.add_argument("--json", type=Path, default=None, help="write the JSON here, not to stdout")
    options = parser.parse_args(arguments)
    if not sys.platform.startswith("linux"):
        parser.error("it looks into /proc, which only Linux has")
    with tempfile.TemporaryDirectory(prefix="capsule-soak-") as folder:
        soak = Soak(Path(folder), options.seconds, options.sample_seconds, options.seed)
        soak.run()
        soak.judge_memory()
        soak.judge_kills()
    report = soak.report()
    _text(report, print)
    if options.json is None:
        print(json.dumps(report))
    else:
        options.json.write_text(json.dumps(report, indent=1))
    return 1 if report["violation_count"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
