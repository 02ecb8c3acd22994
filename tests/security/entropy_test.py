"""Attacks on what sandboxes share: random state, ids, names and leftovers of one another."""

from __future__ import annotations

import re
import time

import pytest
from capsule_python.engine import componentize

pytestmark = pytest.mark.slow

DRAWS = [
    "import random; return random.random()",
    "import random; return random.getrandbits(64)",
    "import random; return random.Random().random()",
    "import random; return random.SystemRandom().random()",
    "import uuid; return str(uuid.uuid4())",
    "import uuid; return str(uuid.uuid1())",
    "import secrets; return secrets.token_hex(16)",
    "return os.urandom(16).hex()",
    "import tempfile; return next(tempfile._get_candidate_names())",
    "import secrets; return secrets.randbelow(1 << 62)",
    "import random; return random.randbytes(8).hex()",
    "import email.utils; return email.utils.make_msgid()",
    "import hashlib; return hashlib.sha256(os.urandom(8)).hexdigest()",
]


IN_JAVASCRIPT = [
    "Math.random()",
    "crypto.randomUUID()",
    "String(crypto.getRandomValues(new Uint32Array(2)))",
    'require("node:crypto").randomBytes(8).toString("hex")',
    'require("node:crypto").randomUUID()',
    "String(new Float64Array([Math.random(), Math.random()]))",
]


def javascript(project, engine):
    """What a program draws, at its top level and in its task, in one sandbox after the other."""
    project.write("capsule.toml", f'[javascript]\nengine = "{engine}"\n')
    draws = ", ".join(f"() => {draw}" for draw in IN_JAVASCRIPT)
    text = f"""
        import {{ task }} from "@capsule-run/sdk";
        const draws = [{draws}];
        const early = draws.map((draw) => draw());
        export const main = task({{ name: "main" }}, () => [early, draws.map((draw) => draw())]);
    """
    return [project.run(text, file="main.js").unwrap() for _ in range(5)]


@pytest.mark.parametrize("engine", ["quickjs", "starlingmonkey"])
def test_what_one_javascript_sandbox_draws_no_other_draws(project, engine):
    drawn = javascript(project, engine)
    for which, source in enumerate(IN_JAVASCRIPT):
        seen = [moment[which] for sandbox in drawn for moment in sandbox]
        assert len(set(seen)) == len(seen) == 10, source


@pytest.mark.parametrize("body", DRAWS)
def test_what_one_sandbox_draws_no_other_draws(attack, body):
    drawn = [attack(body) for _ in range(6)]
    assert len({envelope.unwrap() for envelope in drawn}) == 6


def test_sub_tasks_side_by_side_draw_different_numbers(project):
    envelope = project.run("""
        import random, uuid
        from capsule import task

        @task(name="draw")
        def draw(_):
            return [random.random(), str(uuid.uuid4())]

        @task(name="main")
        def main():
            return [done.unwrap() for done in draw.map(range(12))]
    """)
    drawn = envelope.unwrap()
    assert len({tuple(pair) for pair in drawn}) == 12
    assert len({pair[0] for pair in drawn}) == 12


def test_retries_draw_different_numbers(attack, project):
    (project / "data").mkdir()
    attack(
        "import random; open('data/n', 'a').write(f'{random.random()}\\n'); raise ValueError",
        options="allowed_files=['data'], max_retries=4",
    )
    assert len(set((project / "data/n").read_text().split())) == 5


def test_random_at_the_top_level_of_a_module(attack):
    drawn = {attack("return VALUE", top="import random; VALUE = random.random()").unwrap() for _ in range(5)}
    assert len(drawn) == 5


SEED = """\
class WitWorld:
    def load(self):
        pass

    def declared(self):
        return "[]"

    def run(self, call):
        return MARK


MARK = f"capsule-seed:{hash('x' * 20) & 0xFFFFFFFF:08x}"
"""


def test_two_builds_of_an_engine_have_different_hash_seeds(attack):
    """The seed lies in an engine's memory as it was built: all its sandboxes have it, and no other engine's.

    So what collides in a dictionary can be learnt by a program that runs on a machine, and is of no use on
    the next one. This builds an engine of the same recipe but for its program, and reads the seed's effect
    out of its memory.
    """
    built = componentize("python-engine", {"seed.py": SEED.encode()})
    found = re.search(rb"capsule-seed:([0-9a-f]{8})", built)
    assert found
    here = attack("return hash('x' * 20) & 0xFFFFFFFF").unwrap()
    assert int(found[1], 16) != here


def test_the_hash_seed_is_not_the_one_of_no_randomization(attack):
    """With ``PYTHONHASHSEED=0`` the collisions of a dictionary could be computed once for everybody."""
    import subprocess
    import sys

    command = [sys.executable, "-c", "print(hash('capsule'))"]
    known = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True)
    inside = attack("return [hash('capsule'), sys.flags.hash_randomization]").unwrap()
    assert inside[1] == 1
    assert inside[0] & 0xFFFFFFFF != int(known.stdout) & 0xFFFFFFFF


def test_the_clock_is_that_of_now(attack):
    top = "LOADED = time.time()"
    for _ in range(2):
        loaded, now = attack("return [LOADED, time.time()]", top=top).unwrap()
        assert abs(time.time() - loaded) < 5
        assert abs(time.time() - now) < 5


LEAVE = """
import builtins, sys, os
sys.modules["left"] = sys
builtins.left = "left"
sys.path.append("/left")
os.environ["LEFT"] = "left"
import json
json.loads = lambda text: "left"
from capsule import task as _
try:
    open("/tmp/left", "w").write("left")
except OSError:
    pass
"""


def test_what_one_sandbox_leaves_no_other_finds(attack):
    attack(LEAVE + "return 1")
    found = attack("""
        import builtins
        return [hasattr(builtins, "left"), "left" in sys.modules, "/left" in sys.path, "LEFT" in os.environ,
                json.loads("1"), os.path.exists("/tmp/left")]
    """).unwrap()
    assert found == [False, False, False, False, 1, False]


def test_what_an_attempt_leaves_its_retry_does_not_find(attack):
    envelope = attack(
        "import builtins\nif hasattr(builtins, 'left'): return 'found'\nbuiltins.left = 1\nraise ValueError",
        options="max_retries=2",
    )
    assert not envelope.success
    assert envelope.execution["retries"] == 2


def test_what_is_left_after_a_trap_or_a_deadline(attack):
    for body, options in (("while True: pass", "timeout='100ms'"), ("x = bytearray(1 << 30)", "ram='64MB'")):
        attack("import builtins\nbuiltins.left = 1\n" + body, options=options)
        assert attack("import builtins\nreturn hasattr(builtins, 'left')").unwrap() is False
