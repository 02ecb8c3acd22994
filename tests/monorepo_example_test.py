"""The monorepo among the examples does what its README says, in a copy of its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from capsule import run_sync

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parent.parent / "examples" / "monorepo"

RESULTS = {
    "agents/classify/main.ts": "question",
    "agents/research/planner/main.py": ["look up papers", "look up sandboxes"],
    "agents/research/reader/main.ts": 13 / 3,
    "agents/summarise/main.py": "Sandboxes are cheap.",
    "agents/translate/main.py": "gut Morgen Welt",
    "kernels/checksum/main.c": "1541148634",
    "kernels/mandelbrot/main.c": "3811",
    "kernels/primes/main.c": "78498",
    "services/invoices/main.py": {"invoices": 2, "total": "142.79"},
    "services/mail/main.py": "The build is green.",
    "services/quotes/main.ts": {"mean": 176, "median": 102.5},
    "services/reports/main.py": ["ink: 4.50", "paper: 7.50"],
    "services/search/main.ts": "sandboxes",
}


@pytest.fixture
def monorepo(project):
    leave_out = shutil.ignore_patterns(".capsule", "node_modules")
    shutil.copytree(EXAMPLE, project.root, dirs_exist_ok=True, ignore=leave_out)
    return project


@pytest.fixture
def states(cli):
    def build():
        done = cli("build", "--json")
        assert done.status == 0, done
        rows = [json.loads(line) for line in done.stdout.splitlines()[:-1]]
        return {row["member"]: row["state"] for row in rows}

    return build


def test_every_member_builds_once_and_a_shared_file_touches_only_its_users(monorepo, states):
    assert states() == dict.fromkeys(RESULTS, "built")
    assert states() == dict.fromkeys(RESULTS, "hit")
    with (monorepo / "libs/text/words.py").open("a") as file:
        file.write("# changed\n")
    built = [name for name, state in states().items() if state == "built"]
    users = [name for name in RESULTS if "libs.text" in (monorepo / name).read_text()]
    assert built == sorted(users)
    assert len(built) == 5
    with (monorepo / "libs/c/digits.h").open("a") as file:
        file.write("/* changed */\n")
    assert sorted(name for name, state in states().items() if state == "built") == [
        name for name in RESULTS if name.endswith(".c")
    ]


def test_in_every_language_two_checkouts_give_the_same_bytes(monorepo, states, cli, tmp_path):
    other = tmp_path / "a checkout" / "somewhere else"
    shutil.copytree(monorepo.root, other)
    states()
    assert cli("build", cwd=other).status == 0
    artifacts = [
        {path.name: path.read_bytes() for path in (root / ".capsule/wasm").glob("*.wasm")}
        for root in (monorepo.root, other)
    ]
    assert len(artifacts[0]) == len(RESULTS)
    assert artifacts[0] == artifacts[1]


@pytest.mark.parametrize("member", RESULTS)
def test_every_member_runs(monorepo, member):
    assert run_sync(monorepo / member, cwd=monorepo.root).unwrap() == RESULTS[member]
