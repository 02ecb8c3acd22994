"""Whether memory is flat: a straight line through the samples of the second half.

The first half is the warm-up. Growth is what the line rises by from its begin to its end, as a part of
the mean. What hostile tasks take at the moment of a sample makes it noisy, so the standard error of that
growth is found too, and memory counts as growing when the growth less two standard errors is over the limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FLAT = 0.1
"""Growth that counts as flat."""

ERRORS = 2.0
"""Standard errors that are given for noise."""

FEWEST = 8
"""Samples that a line needs."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through samples: their number, their mean in bytes, and the growth as a part of it."""

    samples: int
    mean: float
    growth: float
    error: float

    @property
    def flat(self) -> bool:
        """Whether it is flat, as far as the noise lets one see."""
        return self.growth - ERRORS * self.error <= FLAT


def trend(samples: Sequence[tuple[float, float]]) -> Trend | None:
    """The line through (seconds, bytes) of the second half of the time; None for too few samples."""
    if not samples:
        return None
    middle = (samples[0][0] + samples[-1][0]) / 2
    late = [(at, size) for at, size in samples if at >= middle]
    count = len(late)
    if count < FEWEST:
        return None
    mean_at = sum(at for at, _ in late) / count
    mean = sum(size for _, size in late) / count
    spread = sum((at - mean_at) ** 2 for at, _ in late)
    slope = sum((at - mean_at) * (size - mean) for at, size in late) / spread
    noise = sum((size - mean - slope * (at - mean_at)) ** 2 for at, size in late) / (count - 2)
    span = late[-1][0] - late[0][0]
    return Trend(count, mean, slope * span / mean, math.sqrt(noise / spread) * span / mean)
