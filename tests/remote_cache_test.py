"""The shared cache, end to end: two machines (two cache folders) and a remote between them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from capsule.project.user_cache import CACHE_VARIABLE
from tests.conftest import Cli, Finished, Project, RunPython, Server

pytestmark = pytest.mark.slow

KEY, OTHER_KEY = "ab" * 32, "cd" * 32
MAIN = """
from capsule import task

@task(name="main")
def main() -> str:
    return "hello"
"""


@dataclass
class Machine:
    """A project of its own, a cache folder of its own, and the command there."""

    root: Path
    cli: Cli
    env: dict[str, str]

    def __call__(self, *arguments: object, **env: str) -> Finished:
        return self.cli(*arguments, cwd=self.root, env=self.env | env, timeout=120)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return self.cli.start(*arguments, cwd=self.root, env=self.env)

    def built(self) -> bytes:
        """The one artifact."""
        (artifact,) = (self.root / ".capsule" / "wasm").glob("*.wasm")
        return artifact.read_bytes()


@pytest.fixture(scope="module")
def warm_cache(user_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another machine's cache folder, which has the engines already: these take minutes."""
    project = tmp_path_factory.mktemp("warm")
    (project / "main.py").write_text(MAIN)
    built = Cli(project)("build", "main.py", env=off())
    assert built.status == 0, built
    folder = tmp_path_factory.mktemp("machine") / "cache"
    # What npm installed is only read: a link will do.
    folder.mkdir(mode=0o700)
    for name in ("engines", "compiled"):
        # Not what another process is about to write.
        ignore = shutil.ignore_patterns(".capsule-*", "*.lock")
        shutil.copytree(user_cache / name, folder / name, ignore=ignore)
    shutil.copy2(user_cache / "secret", folder / "secret")
    return folder


def off() -> dict[str, str]:
    return {"CAPSULE_CACHE_REMOTE": "off"}


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return tmp_path / "remote"


@pytest.fixture
def machines(
    tmp_path: Path, cli: Cli, user_cache: Path, warm_cache: Path, remote: Path
) -> tuple[Machine, Machine]:
    """Two machines with the same sources, a key, and a remote that their users named."""
    env = {
        "CAPSULE_CACHE_REMOTE": remote.as_uri(),
        "CAPSULE_CACHE_KEY": KEY,
        "CAPSULE_CACHE_MODE": "",
        "CAPSULE_CACHE_AUTHORIZATION": "",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    made = []
    for name, cache in (("one", user_cache), ("other", warm_cache)):
        root = tmp_path / name
        root.mkdir()
        (root / "main.py").write_text(MAIN)
        # Settings of one's own keep a project apart from what lies above it.
        (root / "capsule.toml").write_text("")
        made.append(Machine(root, cli, env | {CACHE_VARIABLE: str(cache)}))
    return made[0], made[1]


def row(done: Finished) -> dict[str, object]:
    assert done.status == 0, done
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_what_one_machine_builds_is_a_hit_on_another(machines: tuple[Machine, Machine], remote: Path) -> None:
    one, other = machines
    assert row(one("build", "main.py", "--json"))["cached"] is False
    assert len(list(remote.iterdir())) == 1
    done = other("build", "main.py", "--json")
    assert row(done)["cached"] is True
    assert "building" not in done.stderr
    assert one.built() == other.built()
    run = other("run", "main.py", "--json", CAPSULE_CACHE_REMOTE="off")
    assert run.envelope.result == "hello"


def test_typescript_built_in_one_folder_is_a_hit_in_another(machines: tuple[Machine, Machine]) -> None:
    one, other = machines
    # The toolchain is npm's, and not copied: the folders differ, and the artifacts of each.
    other.env[CACHE_VARIABLE] = one.env[CACHE_VARIABLE]
    for machine in machines:
        (machine.root / "main.ts").write_text(
            'import { task } from "@capsule-run/sdk";\n'
            'export const main = task({ name: "main" }, (): string => "hello");\n'
        )
    assert row(one("build", "main.ts", "--json"))["cached"] is False
    assert row(other("build", "main.ts", "--json"))["cached"] is True
    assert one.built() == other.built()
    assert other("run", "main.ts", "--json").envelope.result == "hello"


def test_changed_inputs_are_not_a_hit(machines: tuple[Machine, Machine]) -> None:
    one, other = machines
    one("build", "main.py")
    (other.root / "main.py").write_text(MAIN.replace("hello", "goodbye"))
    assert row(other("build", "main.py", "--json"))["cached"] is False
    assert other("run", "main.py", "--json").envelope.result == "goodbye"


def test_without_a_key_a_build_says_so_and_goes_on(machines: tuple[Machine, Machine], remote: Path) -> None:
    one, _ = machines
    done = one("build", "main.py", CAPSULE_CACHE_KEY="")
    assert done.status == 0
    assert done.stderr.count("warning: the shared cache is not used without a key") == 1
    assert not remote.exists()


@pytest.mark.parametrize("how", ["flipped", "truncated", "another key", "garbage"])
def test_a_poisoned_remote_is_refused_and_the_build_done_here(
    machines: tuple[Machine, Machine], remote: Path, how: str
) -> None:
    one, other = machines
    one("build", "main.py")
    (entry,) = remote.iterdir()
    good = entry.read_bytes()
    if how == "another key":
        # The attacker's own team builds the same inputs, and its entry takes the place of ours.
        shutil.rmtree(one.root / ".capsule")
        one("build", "main.py", CAPSULE_CACHE_KEY=OTHER_KEY)
        (theirs,) = (file for file in remote.iterdir() if file != entry)
        theirs.replace(entry)
    else:
        flipped = good[:-1] + bytes([good[-1] ^ 1])
        entry.write_bytes({"flipped": flipped, "truncated": good[:-9], "garbage": b"\0" * 999}[how])
    done = other("run", "main.py", "--json")
    assert done.envelope.result == "hello"
    assert done.stderr.count("was refused, and is built here instead") == 1
    # What was built here takes the poison's place.
    assert entry.read_bytes() == good


def test_a_dead_remote_fails_no_build_and_is_said_once(machines: tuple[Machine, Machine]) -> None:
    one, _ = machines
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    done = one("run", "main.py", "--json", CAPSULE_CACHE_REMOTE=f"http://127.0.0.1:{port}/cache")
    assert done.envelope.result == "hello"
    assert done.stderr.count("warning: the shared cache") == 1
    assert "Traceback" not in done.stderr


def test_a_remote_that_never_answers_costs_one_time_out(machines: tuple[Machine, Machine]) -> None:
    one, _ = machines
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (one.root / "capsule.toml").write_text(
            f'[cache]\nremote = "http://127.0.0.1:{port}/cache"\ntimeout = "200ms"\n'
        )
        done = one("run", "main.py", "--json", CAPSULE_CACHE_REMOTE="")
    assert done.envelope.result == "hello"
    assert done.stderr.count("warning: the shared cache is left alone from here on") == 1
    assert done.stderr.count("warning: the shared cache") == 1


def test_a_remote_that_can_not_be_written_fails_no_build(
    machines: tuple[Machine, Machine], remote: Path
) -> None:
    one, _ = machines
    remote.write_text("a file, where the folder should be")
    done = one("build", "main.py")
    assert done.status == 0
    assert done.stderr.count("warning: the shared cache") == 1
    assert remote.read_text().startswith("a file")


def test_reading_alone_writes_nothing(machines: tuple[Machine, Machine], remote: Path) -> None:
    one, _ = machines
    assert one("build", "main.py", CAPSULE_CACHE_MODE="read").status == 0
    assert not remote.exists()


def test_a_remote_is_not_even_loaded_while_nothing_has_to_be_built(
    machines: tuple[Machine, Machine], python: RunPython, project: Project
) -> None:
    one, _ = machines
    project.write("main.py", MAIN)
    script = """
        import os, sys
        from capsule import run_sync
        assert run_sync("main.py").result == "hello"
        print([name for name in ("capsule_cache.remote", "fsspec", "aiohttp") if name in sys.modules])
        """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in one.env.items():
            patch.setenv(name, value)
        assert "capsule_cache.remote" in python(script).stdout
        warm = python(script)
    assert warm.stdout == "[]\n", warm


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('remote = "https://me:hunter2@host/x"', ("capsule.toml:2", "password")),
        ('remote = "gopher://host/x"', ("capsule.toml:2", "no address")),
        ('mode = "sometimes"', ("capsule.toml:2", "mode")),
        ('key = "abc"', ("capsule.toml:2", "no 'key'")),
    ],
)
def test_bad_settings_are_errors_for_people(
    machines: tuple[Machine, Machine], said: object, table: str, words: tuple[str, ...]
) -> None:
    one, _ = machines
    (one.root / "capsule.toml").write_text(f"[cache]\n{table}\n")
    done = one("build", "main.py", CAPSULE_CACHE_REMOTE="")
    assert callable(said)
    said(done, *words, "hint:", status=2)
    assert "hunter2" not in done.stderr


def test_credentials_do_not_go_to_a_remote_that_only_the_project_names(
    machines: tuple[Machine, Machine], server: Server
) -> None:
    one, _ = machines
    (one.root / "capsule.toml").write_text(f'[cache]\nremote = "{server.url}/cache"\n')
    one("build", "main.py", CAPSULE_CACHE_REMOTE="", CAPSULE_CACHE_AUTHORIZATION="Bearer secret")
    assert server.asked
    assert not any("authorization" in asked.headers for asked in server.asked)
    server.asked.clear()
    shutil.rmtree(one.root / ".capsule")
    one(
        "build",
        "main.py",
        CAPSULE_CACHE_REMOTE=f"{server.url}/cache",
        CAPSULE_CACHE_AUTHORIZATION="Bearer secret",
    )
    assert {asked.headers.get("authorization") for asked in server.asked} == {"Bearer secret"}
    assert {asked.method for asked in server.asked} == {"GET", "PUT"}


def test_push_and_pull_move_what_is_built_and_engines_with_it(
    machines: tuple[Machine, Machine], remote: Path, tmp_path: Path
) -> None:
    one, other = machines
    one("build", "main.py", CAPSULE_CACHE_REMOTE="off")
    assert states(one("cache", "push", "main.py", "--json")) == ["pushed", "pushed"]
    assert states(one("cache", "push", "--all", "--json")) == ["there", "there"]
    assert len(list(remote.iterdir())) == 2
    empty = {CACHE_VARIABLE: str(tmp_path / "empty")}
    assert states(other("cache", "pull", "main.py", "--json", **empty)) == ["pulled", "pulled"]
    assert states(other("cache", "pull", "main.py", "--json", **empty)) == ["there", "there"]
    assert other.built() == one.built()
    assert (other.root / ".capsule" / ".gitignore").exists()
    (engine,) = (tmp_path / "empty" / "engines").glob("*.wasm")
    assert engine.stat().st_mode & 0o077 in (0o044, 0)
    # No native code came with it.
    assert not (tmp_path / "empty" / "compiled").exists()


def states(done: Finished) -> list[str]:
    assert done.status == 0, done
    return [one["state"] for one in json.loads(done.stdout)]


def test_a_remote_that_only_the_project_names_gives_and_gets_no_engines(
    machines: tuple[Machine, Machine], remote: Path
) -> None:
    one, _ = machines
    (one.root / "capsule.toml").write_text(f'[cache]\nremote = "{remote.as_uri()}"\n')
    one("build", "main.py", CAPSULE_CACHE_REMOTE="off")
    done = one("cache", "push", "main.py", "--json", CAPSULE_CACHE_REMOTE="")
    assert states(done) == ["pushed"]


def test_a_workspace_is_fetched_member_by_member(machines: tuple[Machine, Machine], remote: Path) -> None:
    one, other = machines
    for machine in machines:
        (machine.root / "main.py").unlink()
        (machine.root / "capsule.toml").write_text('[workspace]\nmembers = ["agents/*"]\n')
        for number in range(4):
            folder = machine.root / "agents" / f"agent{number}"
            folder.mkdir(parents=True)
            (folder / "main.py").write_text(MAIN.replace("hello", f"hello {number}"))
    assert one("build").status == 0
    assert len(list(remote.iterdir())) == 4
    done = other("build", "--json")
    assert done.status == 0, done
    members = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["state"] for row in members if "member" in row] == ["fetched"] * 4, done
    shutil.rmtree(other.root / ".capsule")
    assert states(other("cache", "pull", "--json")).count("pulled") == 4
    assert sorted(states(one("cache", "push", "--json"))) == ["pushed", *["there"] * 4]


def test_push_and_pull_say_what_is_missing(machines: tuple[Machine, Machine], said: object) -> None:
    one, _ = machines
    assert callable(said)
    assert "not built" in states(one("cache", "push", "main.py", "--json"))
    assert "absent" in states(one("cache", "pull", "main.py", "--json"))
    said(one("cache", "push", "main.py", CAPSULE_CACHE_MODE="read"), "mode is read", status=2)
    said(one("cache", "pull", "main.py", CAPSULE_CACHE_REMOTE="off"), "no shared cache", status=2)
    said(one("cache", "pull", "main.py", CAPSULE_CACHE_KEY=""), "no key", status=2)
    dead = one("cache", "push", "main.py", "--json", CAPSULE_CACHE_REMOTE="file:///dev/null/x")
    assert dead.status == 1, dead
    assert [done["state"] for done in json.loads(dead.stdout)] == ["not built", "failed"]
    assert "Traceback" not in dead.stderr


def test_stat_shows_the_remote_and_whether_it_answers(machines: tuple[Machine, Machine]) -> None:
    one, _ = machines
    shown = json.loads(one("cache", "stat", "--json").stdout)[-1]
    assert shown["store"] == "remote"
    assert (shown["mode"], shown["key"], shown["problem"]) == ("read-write", True, None)
    dead = json.loads(one("cache", "stat", "--json", CAPSULE_CACHE_REMOTE="http://127.0.0.1:1/x").stdout)[-1]
    assert dead["problem"]
    assert KEY not in one("cache", "stat").stdout


def test_processes_and_machines_that_build_at_once_agree(
    machines: tuple[Machine, Machine], remote: Path
) -> None:
    one, other = machines
    children = [machine.start("build", "main.py", "--json") for machine in (one, one, other, other)]
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda child: child.communicate(timeout=120), children))
    assert [child.returncode for child in children] == [0] * 4, ended
    cached = [json.loads(stdout)["cached"] for stdout, _ in ended]
    # On each machine one process at most has built.
    assert cached[:2].count(False) <= 1
    assert cached[2:].count(False) <= 1
    assert one.built() == other.built()
    assert len(list(remote.iterdir())) == 1
    shutil.rmtree(other.root / ".capsule")
    assert row(other("build", "main.py", "--json"))["cached"] is True


def test_a_hit_is_signed_with_the_key_of_this_machines_user(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    one, other = machines
    one("build", "main.py")
    empty = {CACHE_VARIABLE: str(tmp_path / "empty")}
    other("cache", "pull", "main.py", **empty)
    # The same folder counts for nothing under another user's key, and is what it was under this one's.
    off_line = {"CAPSULE_CACHE_REMOTE": "off"}
    assert json.loads(other("cache", "stat", "--json", **empty).stdout)[0]["entries"] == 1
    assert row(other("build", "main.py", "--json", **off_line))["cached"] is False
