"""Runs code that is in no file, piece after piece, as a notebook does.

All pieces share one namespace, the module ``__main__``, and one event loop. The value of a piece is that of
its last statement, if that is an expression; ``await`` works outside of functions.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import builtins
import inspect
import linecache
import random
import sys
import types
from collections.abc import Coroutine
from json import dumps  # as it is now: a piece may put something else into its module
from typing import Any

from . import display, values

_FUTURES = tuple(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)


class Interpreter:
    """A namespace that lives on from one piece of code to the next."""

    def __init__(self) -> None:
        self._module = types.ModuleType("__main__")
        self._module.__dict__["__builtins__"] = builtins
        self._module.__dict__["display"] = self._display
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flags = 0
        self._pieces = 0
        self._shown: list[dict[str, Any]] = []

    def run(self, code: str) -> values.Encoded:
        """Runs a piece on its own. Returns its value as JSON; where it can't be that, its ``repr``."""
        return values.Encoded(_encoded(self._execute(code, "<code>"))[0])

    def turn(self, code: str) -> values.Encoded:
        """Runs a piece of a session. Returns ``{"result", "type", "is_repr", "display"}``.

        ``is_repr`` is whether ``result`` is a ``repr``, because the value can't be JSON; ``display`` are MIME
        bundles in the order in which they were shown, the last one that of the value.
        """
        self._pieces += 1
        self._shown = []
        value = self._execute(code, f"<turn {self._pieces}>")
        if value is not None:
            self._module.__dict__["_"] = value
            self._display(value)
        shown, self._shown = self._shown, []
        text, is_repr = _encoded(value)
        more = {"type": type(value).__name__, "is_repr": is_repr, "display": shown}
        return values.Encoded(f'{{"result":{text},{dumps(more)[1:]}')

    def reseed(self) -> None:
        """Makes the random numbers from now on other ones than those of whatever this is a copy of."""
        random.seed()

    def _execute(self, code: str, name: str) -> Any:
        # Whatever a program put there: this is what a piece takes to be its module.
        sys.modules["__main__"] = self._module
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        flags = self._flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(code, name, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        parts = []
        if tree.body:
            parts.append(compile(tree, name, "exec", flags, dont_inherit=True))
        for flag in _FUTURES:
            self._flags |= sum(part.co_flags & flag for part in parts)
        if last is not None:
            flags |= self._flags
            parts.append(compile(ast.Expression(last.value), name, "eval", flags, dont_inherit=True))
        # With an await anywhere, all of it runs in the loop, so that create_task() works before it; without
        # one nothing does, so that asyncio.run() works.
        if any(part.co_flags & inspect.CO_COROUTINE for part in parts):
            value = self._complete(self._evaluated(parts))
        else:
            value = None
            for part in parts:
                value = eval(part, self._module.__dict__)  # noqa: S307 - this is what it is for
        return None if last is None else value

    async def _evaluated(self, parts: list[types.CodeType]) -> Any:
        value = None
        for part in parts:
            value = eval(part, self._module.__dict__)  # noqa: S307 - this is what it is for
            if part.co_flags & inspect.CO_COROUTINE:
                value = await value
        return value

    def _complete(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(coroutine)

    def _display(self, *objects: Any) -> None:
        """What pieces of code know as ``display``."""
        for item in objects:
            if len(self._shown) < display.MOST:
                self._shown.append(display.bundle(item))


def _encoded(value: Any) -> tuple[str, bool]:
    """A value as JSON text, and whether that is of its ``repr``."""
    try:
        return values.encode_result(value), False
    except values.NotJson:
        return dumps(display.shortened(repr(value))), True
