"""SIGKILL at any moment: of commands, of programs that call `run`, of builds, of workers.

The everyday suite kills 18 processes at random moments; ``CAPSULE_CRASHES=200`` makes it 200, and half as
many workers besides. Another ``CAPSULE_CRASH_SEED`` than 0 gives other moments.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from capsule_cache import Store, user_secret
from capsule_cache.names import is_temporary

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

KILLS = int(os.environ.get("CAPSULE_CRASHES", "18"))
SEED = os.environ.get("CAPSULE_CRASH_SEED", "0")

PR_SET_CHILD_SUBREAPER = 36

PYTHON = """
# version {version}
from capsule import task

@task(name="part", compute="LOW")
def part(number): return number * number

@task(name="main", timeout="60s")
def main(number=3): return [part(number).unwrap(), sum(done.unwrap() for done in part.map([1, 2]))]
"""

TYPESCRIPT = """
// version {version}
import {{ task }} from "@capsule-run/sdk";

export const part = task({{ name: "part", compute: "LOW" }}, (number: number): number => number * number);

export const main = task({{ name: "main", timeout: "60s" }}, async (number: number = 3) =>
  [(await part(number)).unwrap(), (await part(1)).unwrap() + (await part(2)).unwrap()]);
"""

WAT = """
;; @task main timeout="60s"
(component
  (core module $program
    (memory (export "memory") 1)
    (data (i32.const 16) "{{\\"result\\":[9,5]}}")
    (data (i32.const 600) "version {version}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 16))
      (i32.const 0)))
  (core instance $i (instantiate $program))
  (func (export "run") (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc")))))
"""

SOURCES = {"main.py": PYTHON, "main.ts": TYPESCRIPT, "main.wat": WAT}
RESULT = [9, 5]

PROGRAM = """
import asyncio, json
from capsule import run

async def main():
    for _ in range(3):
        outcomes = await asyncio.gather(*(run("main.py", [number]) for number in (3, 3, 3, 3)))
        assert all(outcome.result == [9, 5] for outcome in outcomes), outcomes

asyncio.run(main())
"""

REQUESTS = "".join(json.dumps({"id": number, "file": "main.py", "args": [3]}) + "\n" for number in range(8))

SLEEPER = """
import time
from capsule import task

@task(name="part", timeout="300s")
def part(number): time.sleep(250)

@task(name="main", timeout="300s")
def main(): part.map(range(2))
"""


@dataclass(frozen=True)
class Victim:
    """What is killed: a command that builds a source that is new each time, in a new cache if it says so."""

    name: str
    file: str
    arguments: tuple[str, ...]
    input: str = ""
    new_cache: bool = False


VICTIMS = [
    Victim("capsule run", "main.py", ("run", "main.py")),
    Victim("capsule build", "main.py", ("build", "main.py", "--export")),
    Victim("capsule build, TypeScript", "main.ts", ("build", "main.ts")),
    Victim("the first compilation in a new cache", "main.wat", ("run", "main.wat"), new_cache=True),
    Victim("a program that calls run()", "main.py", (sys.executable, "-c", PROGRAM)),
    Victim("capsule worker", "main.py", ("worker",), input=REQUESTS),
]


def children(parent, *, dead=False):
    """The living children of a process; with ``dead``, those that are dead and not waited for."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            state, its_parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(its_parent) == parent and (state in "ZX") is dead:
                found.add(int(folder.name))
    return found


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)
    return found


class Scene:
    """A project, its user's cache, and what has to hold in them after every kill."""

    def __init__(self, project, cli, command, cache, mine):
        self.project, self.cli, self.command, self.cache, self.mine = project, cli, command, cache, mine
        self.versions = 0

    def new_version(self, file):
        self.versions += 1
        (self.project / file).write_text(SOURCES[file].format(version=self.versions).lstrip())

    @property
    def environment(self):
        return {"CAPSULE_CACHE_DIR": str(self.cache)}

    def start(self, victim):
        """Starts a victim, its input given and its output thrown away."""
        first = victim.arguments[0]
        command = list(victim.arguments) if first == sys.executable else [self.command, *victim.arguments]
        environment = os.environ | self.environment
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        child = subprocess.Popen(
            command,
            cwd=self.project.root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if victim.input else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        if victim.input:
            child.stdin.write(victim.input)
            child.stdin.flush()
        return child

    def seconds(self, victim):
        """How long a victim takes when nobody kills it: until its last reply, for one that waits for more."""
        began = time.monotonic()
        child = self.start(victim)
        waited_for = len(victim.input.splitlines())
        while waited_for:
            waited_for -= "outcome" in json.loads(child.stdout.readline())
        seconds = time.monotonic() - began
        child.stdin.close()
        assert child.wait(120) == 0
        if child.stdout:
            child.stdout.close()
        return seconds if victim.input else time.monotonic() - began

    def kill(self, child):
        """The one process, as the system's own killer would: nobody tells its children."""
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()

    def check(self, file):
        """Everything that holds after a kill, and that the next run works."""
        self.check_processes()
        self.check_locks()
        self.check_record()
        done = self.cli("run", file, "--json", env=self.environment, timeout=120)
        assert done.status == 0, done
        assert json.loads(done.stdout)["result"] == RESULT
        assert "Traceback" not in done.stderr
        assert "trace.db" not in done.stderr, "the record was set aside"
        self.check_stores()
        self.check_record()

    def check_processes(self):
        """No process is left: orphans come to us, and are none of those that we had before."""

        try:
            wait_until(lambda: not children(os.getpid()) - self.mine)
        finally:
            for pid in children(os.getpid()) - self.mine:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in children(os.getpid(), dead=True) - self.mine:
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    @property
    def folders(self):
        """The project's store, and those of the user's cache if it is this test's own."""
        folders = [self.project / ".capsule/wasm"]
        if self.cache.is_relative_to(self.project.root.parent):
            folders += [self.cache / "compiled", self.cache / "engines"]
        return [folder for folder in folders if folder.is_dir()]

    def check_locks(self):
        """Nobody holds a lock, nor what a dead writer has left."""
        for folder in self.folders:
            for path in folder.iterdir():
                if path.name.endswith(".lock") or is_temporary(path.name):
                    with path.open("rb") as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def check_stores(self):
        """Every entry that counts is what was stored."""
        for folder in self.folders:
            store = Store(folder, user_secret(self.cache), private=folder.parent == self.cache)
            for item in store.entries():
                if item.sealed:
                    name, _, rest = item.file.partition(f"_{item.key}")
                    assert store.get(item.key, name=name, suffix=rest), item

    def check_record(self):
        """The record is whole, and no run in it that nobody runs is shown as running."""
        path = self.project / ".capsule/trace.db"
        if not path.exists():
            return
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        states = self.states()
        assert set(states.values()) <= {"succeeded", "interrupted", "cancelled"}, states

    def states(self):
        """The states of the runs that are recorded, as ``capsule trace`` shows them."""
        from capsule.errors import UsageError
        from capsule.journal import reader

        try:
            return {run.id: run.state for run in reader.recent(self.project / ".capsule/trace.db", 10_000)}
        except UsageError:  # nothing is recorded yet
            return {}


@pytest.fixture(autouse=True)
def orphans_come_to_us():
    """A process whose parent was killed becomes a child of this one, whatever session it is in."""
    library = ctypes.CDLL(None)
    library.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    library.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def scene(project, cli, command, user_cache):
    return Scene(project, cli, command, user_cache, children(os.getpid()))


@pytest.mark.parametrize("victim", VICTIMS, ids=lambda victim: victim.name)
def test_after_a_kill_at_a_random_moment_nothing_is_broken_and_the_next_run_works(scene, victim, tmp_path):
    random = Random(f"{SEED} {victim.name}")
    if victim.new_cache:
        scene.cache = tmp_path / "cache"
    scene.new_version(victim.file)
    scene.check(victim.file)  # what is built once on a machine is there
    scene.new_version(victim.file)
    seconds = scene.seconds(victim)
    for number in range(-(-KILLS // len(VICTIMS))):
        if victim.new_cache:
            scene.cache = tmp_path / f"cache-{number}"
            shutil.rmtree(scene.project / ".capsule", ignore_errors=True)  # another user's, so to speak
        scene.new_version(victim.file)
        child = scene.start(victim)
        time.sleep(random.uniform(0, 1.1 * seconds))
        scene.kill(child)
        scene.check(victim.file)


MOMENTS = {
    "the lock of a build is there": lambda state, names: any(name.endswith(".lock") for name in names),
    "a payload is being written": lambda state, names: any(map(is_temporary, names)),
    "a payload has no seal yet": lambda state, names: any(
        name.endswith(".wasm") and name + ".seal" not in names for name in names
    ),
    "an artifact is complete": lambda state, names: any(name.endswith(".seal") for name in names),
    "the record is being made": lambda state, names: (state / "trace.db").exists(),
    "the record has a log": lambda state, names: (state / "trace.db-wal").exists(),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_a_kill_at_a_telling_moment_nothing_is_broken_and_the_next_run_works(scene, moment):
    victim = VICTIMS[0]
    scene.new_version(victim.file)
    child = scene.start(victim)
    state = scene.project / ".capsule"
    # A moment that was too short to be seen is no harm: the run has ended then.
    while child.poll() is None:
        if MOMENTS[moment](state, {path.name for path in state.glob("wasm/*")}):
            break
    scene.kill(child)
    scene.check(victim.file)


@pytest.mark.parametrize("victim", ["capsule run", "a program that calls run()", "capsule worker"])
def test_a_run_whose_process_was_killed_is_shown_as_interrupted(scene, cli, victim):
    (scene.project / "main.py").write_text(SLEEPER)
    arguments, said = {
        "capsule run": (("run", "main.py"), ""),
        "a program that calls run()": (
            (sys.executable, "-c", "from capsule import run_sync; run_sync('main.py')"),
            "",
        ),
        "capsule worker": (("worker",), '{"id": 1, "file": "main.py"}\n'),
    }[victim]
    child = scene.start(Victim(victim, "main.py", arguments, said))

    def recorded():
        with closing(sqlite3.connect(scene.project / ".capsule/trace.db")) as connection:
            return connection.execute("SELECT count(*) FROM tasks").fetchone()[0] == 3

    def under_way():
        with suppress(sqlite3.OperationalError):  # it is being made
            return (scene.project / ".capsule/trace.db").exists() and recorded()

    wait_until(under_way)
    scene.kill(child)
    [run] = json.loads(cli("trace", "--json").stdout)["runs"]
    assert run["state"] == "interrupted"
    tree = json.loads(cli("trace", run["id"], "--json").stdout)
    assert "interrupted" in cli("trace").stdout
    assert tree["run"]["state"] == "interrupted"
    assert [task["state"] for task in tree["tasks"]] == ["interrupted"] * 3
    scene.check_processes()
    scene.check_record()


KILLED_WORKERS = """
import asyncio, json, sys
from capsule import run

async def main():
    # Built before anything is killed: whose compilation is killed has nothing to run.
    (await run("main.py", [3])).unwrap()
    print("running", flush=True)
    outcomes = []
    while not outcomes or not await asyncio.to_thread(is_over):
        outcomes += await asyncio.gather(*(run("main.py", [3]) for _ in range(4)))
    print(json.dumps(outcomes))

def is_over():
    import select
    return bool(select.select([sys.stdin], [], [], 0)[0])

asyncio.run(main())
"""


def test_workers_that_are_killed_at_random_moments_cost_their_own_run_and_no_other(scene):
    random = Random(f"{SEED} workers")
    scene.new_version("main.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED_WORKERS],
        cwd=scene.project.root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def workers():
        return [pid for zygote in children(child.pid) for pid in children(zygote)]

    assert child.stdout.readline() == "running\n"
    killed = 0
    while killed < KILLS // 2:
        for _ in range(random.randint(1, 3)):
            with suppress(ProcessLookupError):
                os.kill(random.choice(wait_until(workers)), signal.SIGKILL)
                killed += 1
        time.sleep(random.uniform(0, 0.2))
    said, _ = child.communicate("stop\n", timeout=120)
    assert child.returncode == 0
    outcomes = json.loads(said)
    failed = [outcome["error"] for outcome in outcomes if not outcome["success"]]
    assert all(outcome["result"] == RESULT for outcome in outcomes if outcome["success"])
    assert len(outcomes) > len(failed)
    assert len(failed) <= killed
    assert all("SIGKILL" in error["message"] for error in failed), failed
    scene.check_processes()
    with closing(sqlite3.connect(scene.project / ".capsule/trace.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert set(scene.states().values()) <= {"succeeded", "failed"}
