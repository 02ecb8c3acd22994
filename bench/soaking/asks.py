"""What the soak asks for: runs drawn at random, each with the ends that are right for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

PYTHON, TYPESCRIPT = "good.py", "good.ts"
HOSTILE_PYTHON, HOSTILE_TYPESCRIPT = "hostile.py", "hostile.ts"
POLL = "poll.wat"
FILES = (PYTHON, TYPESCRIPT, HOSTILE_PYTHON, HOSTILE_TYPESCRIPT, POLL)

CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Ask:
    """One run, and how it may end: by returning ``result`` if ``returns``, or with one of ``errors``.

    ``cancel_after`` is the seconds after which its caller gives it up.
    """

    case: str
    file: str
    task: str
    hostile: bool
    args: Sequence[Any] = ()
    limits: Mapping[str, Any] | None = None
    returns: bool = True
    result: Any = None
    errors: frozenset[str] = frozenset()
    cancel_after: float | None = None

    def problem(self, envelope: Mapping[str, Any]) -> str | None:
        """What is wrong with an outcome; None when it is one of those that are right."""
        if envelope["success"]:
            if not self.returns:
                return f"it returned {shortened(envelope['result'])}, and should not have returned"
            if envelope["result"] != self.result:
                return f"it returned {shortened(envelope['result'])}, not {shortened(self.result)}"
            return None
        error = envelope["error"]
        if error["error_type"] not in self.errors:
            allowed = ", ".join(sorted(self.errors)) or "no error"
            return f"it ended with {error['error_type']} ({error['message'][:300]}), not with {allowed}"
        return None


def shortened(value: Any) -> str:
    """A value as a short text."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 200 else f"{text[:200]}..."


Draw = Callable[[Random, str], Ask]


def _good(name: str, task: str, arguments: Callable[[Random, str], tuple[Sequence[Any], Any]]) -> list[Draw]:
    """The same task in both languages; ``arguments`` gives its arguments and its result."""

    def draw(random: Random, url: str, file: str) -> Ask:
        args, result = arguments(random, url)
        return Ask(f"{name} ({file})", file, task, hostile=False, args=args, result=result)

    return [
        lambda random, url: draw(random, url, PYTHON),
        lambda random, url: draw(random, url, TYPESCRIPT),
    ]


def _word(random: Random) -> str:
    return "".join(random.choices('abcxyz éλ日😀"\\\n\t<&', k=random.randint(1, 40)))


def _tree(random: Random, depth: int = 3) -> Any:
    kind = random.randint(0, 6 if depth else 4)
    if kind == 5:
        return [_tree(random, depth - 1) for _ in range(random.randint(0, 6))]
    if kind == 6:
        return {_word(random): _tree(random, depth - 1) for _ in range(random.randint(0, 6))}
    return (None, True, random.randint(-(2**50), 2**50), random.random() + 0.5, _word(random))[kind]


def _hello(random: Random, url: str) -> tuple[Sequence[Any], Any]:
    name = _word(random)
    return [name], f"Hello, {name}!"


def _round_trip(random: Random, url: str) -> tuple[Sequence[Any], Any]:
    value = {"tree": _tree(random), "text": _word(random) * random.choice([1, 1, 1, 2000])}
    return [value], value


def _squares(random: Random, url: str) -> tuple[Sequence[Any], Any]:
    numbers = [random.randint(0, 10_000) for _ in range(random.randint(1, 6))]
    return [numbers], [number * number for number in numbers]


def _files(random: Random, url: str) -> tuple[Sequence[Any], Any]:
    text = _word(random) * random.choice([1, 500])
    return [f"{random.getrandbits(64):x}.txt", text], text


def _ask(random: Random, url: str) -> tuple[Sequence[Any], Any]:
    text = _word(random)
    return [url, text], text


def _nap(random: Random, url: str) -> tuple[Sequence[Any], Any]:
    seconds = random.choice([0.001, 0.02, 0.1])
    return [seconds], seconds


GOOD: Sequence[Draw] = (
    *_good("hello", "hello", _hello),
    *_good("JSON there and back", "round_trip", _round_trip),
    *_good("sub-tasks", "squares", _squares),
    *_good("a file", "files", _files),
    *_good("a request", "ask", _ask),
    *_good("a nap", "nap", _nap),
)


def _hostile(
    file: str,
    task: str,
    *errors: str,
    args: Sequence[Any] = (),
    limits: Mapping[str, Any] | None = None,
    name: str = "",
) -> Draw:
    ask = Ask(
        f"{name or task} ({file})",
        file,
        task,
        hostile=True,
        args=args,
        limits=limits,
        returns=False,
        errors=frozenset(errors),
    )
    return lambda random, url: ask


def _held(task: str, result: Any, limits: Mapping[str, Any] | None = None) -> Draw:
    """A task that is refused again and again, lives to say so, and returns what it was told."""
    case = f"{task} ({HOSTILE_PYTHON})"
    ask = Ask(case, HOSTILE_PYTHON, task, hostile=True, limits=limits, result=result)
    return lambda random, url: ask


def _given_up(random: Random, url: str) -> Ask:
    """A run that would not end in time, cancelled at a random moment of its first second."""
    file, spin = random.choice([PYTHON, TYPESCRIPT]), random.random() < 0.5
    return Ask(
        f"cancelled, {'computing' if spin else 'sleeping'} ({file})",
        file,
        "endless",
        hostile=True,
        args=[spin],
        returns=False,
        errors=frozenset({CANCELLED}),
        cancel_after=random.uniform(0, 1),
    )


def _given_up_early(random: Random, url: str) -> Ask:
    """A good run, cancelled at about the time of its end: it has ended, or it is cancelled."""
    numbers = [random.randint(0, 10_000) for _ in range(6)]
    return Ask(
        "cancelled, near its end",
        random.choice([PYTHON, TYPESCRIPT]),
        "squares",
        hostile=True,
        args=[numbers],
        result=[number * number for number in numbers],
        errors=frozenset({CANCELLED}),
        cancel_after=random.uniform(0, 0.15),
    )


TOO_LARGE = "result_too_large"
SMALL = {"result_bytes": "1MB"}

HOSTILE: Sequence[tuple[float, Draw]] = (
    (2, _hostile(HOSTILE_PYTHON, "spin", "timeout")),
    (2, _hostile(HOSTILE_TYPESCRIPT, "spin", "timeout")),
    (2, _hostile(HOSTILE_PYTHON, "burn", "out_of_fuel")),
    (2, _hostile(HOSTILE_TYPESCRIPT, "burn", "out_of_fuel")),
    (2, _hostile(HOSTILE_PYTHON, "oversleep", "timeout")),
    (2, _hostile(HOSTILE_TYPESCRIPT, "oversleep", "timeout")),
    (2, _hostile(HOSTILE_PYTHON, "blocked_file", "timeout")),
    (2, _hostile(POLL, "main", "timeout", name="blocked in a raw pollable")),
    (2, _hostile(HOSTILE_PYTHON, "eat", "out_of_memory")),
    (2, _hostile(HOSTILE_TYPESCRIPT, "eat", "out_of_memory")),
    (2, _hostile(HOSTILE_PYTHON, "nest_calls", "stack_overflow")),
    (2, _hostile(HOSTILE_PYTHON, "recurse", "stack_overflow")),
    (2, _hostile(HOSTILE_TYPESCRIPT, "recurse", "stack_overflow")),
    (2, _hostile(HOSTILE_PYTHON, "flood", "timeout")),
    (2, _held("fork_bomb", ["limit_exceeded"], {"tasks": 30, "depth": 4})),
    (1, _hostile(HOSTILE_PYTHON, "huge_result", TOO_LARGE, args=[5_000_000], limits=SMALL)),
    (
        1,
        _hostile(HOSTILE_TYPESCRIPT, "huge_result", TOO_LARGE, args=[5_000_000], limits=SMALL),
    ),
    (0.3, _hostile(HOSTILE_PYTHON, "huge_result", TOO_LARGE, args=[80_000_000], name="80 MB")),
    (2, _hostile(HOSTILE_PYTHON, "deep_result", "task_error")),
    (1, _held("flood_tasks", ["UNKNOWN_TASK"] * 2 + ["BAD_ARGUMENTS"] * 3)),
    (1, _held("flood_requests", ["INVALID_REQUEST"])),
    (2, _hostile(HOSTILE_PYTHON, "leave", "exit")),
    (2, _hostile(HOSTILE_PYTHON, "abort", "crash")),
    (2, _hostile(HOSTILE_PYTHON, "forge", "task_error")),
    (2, _hostile(HOSTILE_TYPESCRIPT, "forge", "task_error")),
    (2, _hostile(HOSTILE_PYTHON, "trespass", "permission_denied")),
    (4, _given_up),
    (2, _given_up_early),
)

SHARE_OF_GOOD = 0.6


def draw(random: Random, url: str) -> Ask:
    """The next run that a caller asks for. ``url`` is where good tasks send requests."""
    if random.random() < SHARE_OF_GOOD:
        return random.choice(GOOD)(random, url)
    [chosen] = random.choices(HOSTILE, weights=[weight for weight, _ in HOSTILE])
    return chosen[1](random, url)


def each_once(random: Random, url: str) -> list[Ask]:
    """Every case once, in a random order."""
    asks = [draw(random, url) for draw in (*GOOD, *(draw for _, draw in HOSTILE))]
    random.shuffle(asks)
    return asks
