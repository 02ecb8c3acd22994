"""How much compiling a component may take.

A compiler's time and memory can grow with the square of its input: 0.5 MB of one function with a thousand
variables took 49 s and 3.7 GB. So both are bounded, and the bounds grow with the input no faster than an
honest component needs. Measured on one busy core, the engines took 0.3 to 0.9 s and 13 to 23 MB for each
MB of theirs; the bounds below are some ten times that in time and twice that in memory, besides a base for
small components.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from capsule.errors import ArtifactError, ConfigError, PolicyError
from capsule.policy.sizes import parse_duration, parse_size

MIB: Final = 1 << 20

LARGEST: Final = 256 * MIB
"""Bytes of a component; the largest engine has 30 MB."""

BASE_SECONDS: Final = 30.0
SECONDS_FOR_MIB: Final = 10.0
"""Wall clock for every component, and for each MiB of it: 320 s for the Python engine, which takes 14."""

BASE_MEMORY: Final = 512 * MIB
MEMORY_FOR_BYTE: Final = 48
MOST_MEMORY: Final = 4096 * MIB
"""Bytes of memory for every component, for each byte of it, and in all: 1.9 GiB for the Python engine,
which takes 0.5."""

LARGEST_CODE: Final = 1024 * MIB
"""Bytes of compiled code; the engines' is twice their size, and JavaScript's larger one's 2.6 times."""

TIMEOUT_VARIABLE: Final = "CAPSULE_COMPILE_TIMEOUT"
MEMORY_VARIABLE: Final = "CAPSULE_COMPILE_RAM"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one compilation may take: ``seconds`` of wall clock, and bytes of ``memory``."""

    seconds: float
    memory: int

    @classmethod
    def of(cls, size: int, name: str) -> Bounds:
        """The bounds for a component of ``size`` bytes; the user's own, where the environment has some.

        Raises `ArtifactError` for one that is too large, and `ConfigError` for a variable that can't be read.
        """
        if size > LARGEST:
            raise ArtifactError(f"{name} has {size:,} bytes; at most {LARGEST:,} are compiled")
        mebibytes = size / MIB
        memory = min(MOST_MEMORY, BASE_MEMORY + size * MEMORY_FOR_BYTE)
        bounds = cls(BASE_SECONDS + mebibytes * SECONDS_FOR_MIB, memory)
        seconds, chosen = os.environ.get(TIMEOUT_VARIABLE), os.environ.get(MEMORY_VARIABLE)
        try:
            if seconds:
                bounds = cls(parse_duration(seconds, TIMEOUT_VARIABLE) or bounds.seconds, bounds.memory)
            if chosen:
                bounds = cls(bounds.seconds, parse_size(chosen, MEMORY_VARIABLE) or bounds.memory)
        except PolicyError as error:
            raise ConfigError(error.message, hint=error.hint) from None
        return bounds
