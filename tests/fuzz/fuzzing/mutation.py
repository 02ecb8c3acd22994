"""Inputs near the seeds, as a strategy of Hypothesis: it finds the smallest one that fails by itself."""

from __future__ import annotations

from hypothesis import strategies as st

from fuzzing.target import LARGEST_INPUT, Target

EDITS = ("byte", "bytes", "token", "cut", "repeat", "splice", "digits")
LONGEST_REPEAT = 4096


@st.composite
def mutated(draw: st.DrawFn, target: Target) -> bytes:
    """A seed after a few edits, now and then bytes of no origin."""
    if draw(st.integers(0, 19)) == 19:
        return draw(st.binary(max_size=400))
    seeds = st.sampled_from(target.seeds)
    data = bytearray(draw(seeds))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 40)))
        match draw(st.sampled_from(EDITS)):
            case "byte":
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "bytes":
                data[at:end] = draw(st.binary(max_size=12))
            case "token" if target.tokens:
                data[at:end] = draw(st.sampled_from(target.tokens))
            case "cut":
                del data[at:end]
            case "repeat":
                data[at:end] = data[at:end] * draw(st.integers(2, LONGEST_REPEAT))
            case "splice":
                other = draw(seeds)
                data[at:] = other[draw(st.integers(0, len(other))) :]
            case "digits":
                data[at:end] = str(draw(st.integers())).encode()
        del data[LARGEST_INPUT:]
    return bytes(data)
