"""The numbers of system calls, against the kernel's own headers where they are installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from capsule.confinement import mounts, seccomp, tool

GENERIC = Path("/usr/include/asm-generic/unistd.h")
"""What ARM64 has; from `linux-libc-dev`."""
X86_64 = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")

NAMES_IN_THE_HEADER = {"newfstatat": "fstatat"}


def numbers(header: Path) -> Mapping[str, int]:
    if not header.is_file():
        pytest.skip("the kernel's headers are not installed")
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text(), re.MULTILINE)
    return {name: int(number) for name, number in found}


@pytest.mark.parametrize(
    ("machine", "header"),
    [(seccomp.AARCH64, GENERIC), (seccomp.X86_64, X86_64)],
    ids=["aarch64", "x86_64"],
)
def test_every_number_is_the_kernel_s(machine: seccomp.Machine, header: Path) -> None:
    known = numbers(header)
    listed = {
        **machine.allowed,
        **machine.examined,
        **seccomp.EVERYWHERE,
        **tool.REFUSED[machine.architecture],
        **tool.EVERYWHERE,
        "clone3": seccomp.CLONE3,
        "socket": tool.SOCKET[machine.architecture],
        "open_tree": mounts.OPEN_TREE,
        "move_mount": mounts.MOVE_MOUNT,
        "pivot_root": mounts.PIVOT_ROOT["aarch64" if machine is seccomp.AARCH64 else "x86_64"],
    }

    def number(name: str) -> int | None:
        return known.get(name, known.get(NAMES_IN_THE_HEADER.get(name, "")))

    wrong = {name: (given, number(name)) for name, given in listed.items() if number(name) != given}
    # Headers may be older than what is listed; a number of another call is wrong in any case.
    assert {name: pair for name, pair in wrong.items() if pair[1] is not None} == {}
    assert len(wrong) < 5, wrong


@pytest.mark.parametrize("machine", [seccomp.AARCH64, seccomp.X86_64], ids=["aarch64", "x86_64"])
def test_no_number_stands_for_two_calls(machine: seccomp.Machine) -> None:
    given = [*machine.allowed.values(), *machine.examined.values(), *seccomp.EVERYWHERE.values()]
    assert len(given) == len(set(given))
    assert not set(machine.allowed.values()) & set(tool.REFUSED[machine.architecture].values())
