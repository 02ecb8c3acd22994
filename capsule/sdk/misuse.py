"""Operators that say what to call, on what stands for a task's result and isn't it.

A forgotten ``unwrap()`` would otherwise be silent nonsense, or an error about something else. The Python
engine is built with a copy of this module (see `capsule.frontend.sdk`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, NoReturn


class NotAValue:
    """Operators that say what to call, on what stands for a task's result and isn't it."""

    def _misuse(self, what: str, kind: type[Exception] = TypeError) -> NoReturn:
        """Raises the error for an operation, in words that go on with what this is."""
        raise kind(what)

    def __iter__(self) -> NoReturn:
        self._misuse("iteration over")

    def __bool__(self) -> bool:
        if not asked_by_a_library():
            self._misuse("the truth of")
        return True

    def __format__(self, spec: str) -> str:
        self._misuse("text made of")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _PLAIN):
            self._misuse("comparison with")
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        if isinstance(other, _PLAIN):
            self._misuse("comparison with")
        return super().__ne__(other)


def asked_by_a_library() -> bool:
    """Whether whoever called the method that asks is a library.

    The standard library's and others' (``json`` with ``indent``, what shows a dictionary in colours) look at
    the truth and the keys of the dictionary that an envelope is too; written by a user, these are a mistake.
    """
    frame = sys._getframe(2)
    file = frame.f_code.co_filename
    return (
        str(frame.f_globals.get("__name__")).partition(".")[0] in sys.stdlib_module_names
        or "site-packages" in file
        or "dist-packages" in file
        or (sys.platform == "wasi" and file.startswith("/"))
    )


_PLAIN = (int, float, complex, str, bytes, list, tuple, set, frozenset)
"""What an envelope is never equal to, and a result may be."""

_OPERATORS = {
    "+": "add radd",
    "-": "sub rsub neg",
    "*": "mul rmul",
    "/": "truediv rtruediv",
    "//": "floordiv rfloordiv",
    "%": "mod rmod",
    "**": "pow rpow",
    "@": "matmul rmatmul",
    "&": "and rand",
    "^": "xor rxor",
    "<<": "lshift rlshift",
    ">>": "rshift rrshift",
    "~": "invert",
    "unary +": "pos",
    "divmod() of": "divmod rdivmod",
    "abs() of": "abs",
    "round() of": "round",
    "int() of": "int",
    "float() of": "float",
    "complex() of": "complex",
    "use as an index of": "index",
    "len() of": "len",
    "comparison with": "lt le gt ge",
}


def _operator(what: str) -> Callable[..., NoReturn]:
    said = what if what[-1].isalpha() else f"{what} with"

    def operator(self: NotAValue, *_: object) -> NoReturn:
        self._misuse(said)

    return operator


for _what, _names in _OPERATORS.items():
    for _name in _names.split():
        setattr(NotAValue, f"__{_name}__", _operator(_what))


class Started(NotAValue):
    """A task that was started: its envelope is to be waited for."""

    task_name: str

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        # Whether there is one: what is kept in a variable that may be None is asked so.
        return True

    if not TYPE_CHECKING:  # Checkers say the same themselves, where they see no such method.

        def __getitem__(self, key: Any) -> NoReturn:
            self._misuse(f"[{repr(key)[:60]}] of")

        def __getattr__(self, name: str) -> NoReturn:
            if name in _OF_ENVELOPES:
                self._misuse(f".{name} of", AttributeError)
            said = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(said, name=name, obj=self)

    def _misuse(self, what: str, kind: type[Exception] = TypeError) -> NoReturn:
        said = f"{what} the task {self.task_name!r}, which was started and may still run"
        raise kind(f"{said}; call .outcome() for its envelope, or await it")


class Called(Started, Coroutine[Any, Any, Any]):
    """The call of an ``async def`` task: a coroutine, that says what to write where ``await`` is missing."""

    __module__ = "capsule"

    def __init__(self, task_name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.task_name = task_name
        self._coroutine = coroutine

    __bool__ = NotAValue.__bool__

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """As of any coroutine."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """As of any coroutine."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """As of any coroutine."""
        self._coroutine.close()

    def _misuse(self, what: str, kind: type[Exception] = TypeError) -> NoReturn:
        # It was never awaited, and that is being said.
        self._coroutine.close()
        raise kind(f"{what} a call of the task {self.task_name!r}; write await in front of it")


_OF_ENVELOPES = frozenset({"success", "result", "error", "execution", "unwrap"})
