"""The attacks that any runtime of the user guide's language can be tried with: all are tried on this one.

With ``--reference COMMAND`` they are tried on another runtime too, and what each attack gained there is
printed at the end: that is a fact, not a failure of ours.
"""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from portable_attacks import ATTACKS, SECRET, Attack, Result, Scene

pytestmark = pytest.mark.slow

BUILDING = 240
"""Seconds that a runtime may take to build a program, before an attack is measured."""


@pytest.fixture
def scene(project, server, second_server) -> Scene:
    outside = project.root.parent / "outside"
    outside.mkdir()
    return Scene(project.root, outside, server.port, second_server.port)


@pytest.fixture
def attempt(project, scene, server, second_server) -> Callable[[Attack, str, bool], Result]:
    """`attempt(attack, command, ours)` runs an attack with a runtime's command."""

    def run(attack: Attack, command: str, ours: bool) -> Result:
        def call(*arguments: str, within: float) -> tuple[int, str, str, bool]:
            environment = {**os.environ, "CAPSULE_TEST_SECRET": SECRET}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            if not ours:  # it looks for its own packages beside the command
                environment["PATH"] = f"{Path(command).parent}{os.pathsep}{environment['PATH']}"
            if attack.terminal:
                return on_a_terminal([command, *arguments], environment, within)
            try:
                done = subprocess.run(
                    [command, *arguments],
                    cwd=scene.root,
                    env=environment,
                    input=attack.stdin.encode(),
                    capture_output=True,
                    timeout=within,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                return -1, _text(error.stdout), _text(error.stderr), True
            return done.returncode, _text(done.stdout), _text(done.stderr), False

        def on_a_terminal(
            whole: list[str], environment: dict[str, str], within: float
        ) -> tuple[int, str, str, bool]:
            master, slave = pty.openpty()
            with subprocess.Popen(
                whole, cwd=scene.root, env=environment, stdin=slave, stdout=slave, stderr=slave
            ) as child:
                os.close(slave)
                shown = b""
                try:
                    while piece := os.read(master, 65536):
                        shown += piece
                except OSError:
                    pass  # Linux says so when the last one has closed the other end.
                os.close(master)
                return child.wait(within), _text(shown), "", False

        json_option = ("--json",) if ours and not attack.terminal else ()
        for name, target in attack.links.items():
            link = scene.root / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target.replace("<OUTSIDE>", str(scene.outside)))
        for name, text in attack.files.items():
            file = scene.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("<OUTSIDE>", str(scene.outside)))
        (scene.root / "main.py").write_text(attack.source(scene))
        if not ours or attack.exported:
            # What it takes to build is no part of the attack.
            call("build", "main.py", *(("--export",) if attack.exported else ()), within=BUILDING)
        subject = ("exec", "main.wasm") if attack.exported else ("run", "main.py")
        outputs = []
        for number in range(attack.runs):
            if number and attack.between is not None:
                attack.between(scene, lambda file: call("run", file, within=BUILDING))
            status, stdout, stderr, timed_out = call(*subject, *json_option, within=attack.within)
            outputs.append(stdout)
        return Result(
            status, "\n---\n".join(outputs), stderr, timed_out, list(server.asked), list(second_server.asked)
        )

    return run


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_a_hostile_program_gains_nothing(attempt, scene, command, attack):
    result = attempt(attack, command, True)
    assert not result.timed_out, "it got stuck"
    assert not attack.gained(result, scene), result


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_what_the_reference_does(attempt, scene, reference, reference_results, attack):
    result = attempt(attack, reference, False)
    reference_results[attack.name] = attack.gained(result, scene)
