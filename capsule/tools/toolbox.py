"""The tools of one run: called for its sandboxes, on threads of their own or on the caller's event loop."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import decimal
import enum
import inspect
import json
import pathlib
import threading
import traceback
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from capsule.tools.shapes import Mismatch
from capsule.tools.tool import Tool, ToolError, tools_of

MOST_AT_ONCE: Final = 16
"""Calls of one run that are under way at the same time; more wait their turn."""

LONGEST_ANSWER: Final = 4096
"""Characters of a `ToolError`'s text, or of a reason to refuse, that a sandbox is told."""

Approve = Callable[["ToolCall"], Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that waits for approval: the tool's name, and the arguments by name, checked and converted."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: ``result`` as JSON text, or an error. ``traceback`` is for the record alone."""

    result: str | None = None
    error_type: str | None = None
    message: str = ""
    traceback: str | None = None


Answered = Callable[[Answer], None]


class Call:
    """One call under way. ``answered`` hears of its end once, on any thread."""

    def __init__(self, tool: Tool, bound: inspect.BoundArguments, answered: Answered) -> None:
        self.tool = tool
        self.bound = bound
        self._answered: Answered | None = answered
        self._lock = threading.Lock()
        self._future: Any = None

    def attach(self, future: Any) -> None:
        """``future`` is what to cancel."""
        with self._lock:
            self._future = future
            cancelled = self._answered is None
        if cancelled:
            future.cancel()

    @property
    def over(self) -> bool:
        """Whether there is nobody who waits for the answer."""
        return self._answered is None

    def answer(self, answer: Answer) -> None:
        """Says what came of it, the first time."""
        with self._lock:
            answered, self._answered = self._answered, None
        if answered is not None:
            answered(answer)

    def cancel(self) -> None:
        """Nobody waits any more. A function that has begun goes on; what it returns is dropped."""
        self.answer(Answer(error_type="cancelled", message="the call was cancelled"))
        with self._lock:
            future = self._future
        if future is not None:
            future.cancel()


class Toolbox:
    """Calls tools by name. ``loop`` is where coroutines run; without one, each has a loop of its own."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        approve: Approve | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.tools = tools
        self._approve = approve
        self._loop = loop
        self._lock = threading.Lock()
        self._under_way = 0
        self._waiting: deque[Call] = deque()

    def described(self, names: tuple[str, ...]) -> str:
        """What a sandbox is told of the tools that it may call, as JSON."""
        told = [
            {
                "name": tool.name,
                "signature": tool.signature(),
                "help": tool.help,
                "is_async": tool.is_async,
                "parameters": tool.schema(),
            }
            for name in names
            if (tool := self.tools.get(name)) is not None
        ]
        return json.dumps(told)

    def call(self, name: str, args: list[Any], kwargs: Mapping[str, Any], answered: Answered) -> Call | None:
        """Begins a call, after its arguments were checked. ``answered`` hears of wrong ones, too."""
        tool = self.tools[name]
        try:
            bound = tool.bound(args, kwargs)
        except Mismatch as problem:
            answered(Answer(error_type="invalid_call", message=str(problem)))
            return None
        except Exception as error:  # a model of theirs, or an enum, that fails in its own way
            answered(_failed(tool, error))
            return None
        call = Call(tool, bound, answered)
        with self._lock:
            if self._under_way >= MOST_AT_ONCE:
                self._waiting.append(call)
                return call
            self._under_way += 1
        self._begin(call)
        return call

    def _begin(self, call: Call) -> None:
        if self._loop is not None and call.tool.is_async and not self._loop.is_closed():
            coroutine = self._settled(call)
            try:
                future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            except RuntimeError as error:  # closed meanwhile
                coroutine.close()
                self._end(call, _failed(call.tool, error))
                return
            call.attach(future)
            future.add_done_callback(lambda done: self._end(call, _answer_of(done)))
            return
        threading.Thread(
            target=self._on_thread, args=[call], name=f"capsule-tool-{call.tool.name}", daemon=True
        ).start()

    def _on_thread(self, call: Call) -> None:
        try:
            answer = asyncio.run(self._settled(call)) if self._is_async(call) else self._settled_here(call)
        except BaseException as error:  # sys.exit() in a tool ends the call, and nothing else
            answer = _failed(call.tool, error)
        self._end(call, answer)

    def _is_async(self, call: Call) -> bool:
        return call.tool.is_async or inspect.iscoroutinefunction(self._approve)

    def _settled_here(self, call: Call) -> Answer:
        if call.over:
            return Answer()
        try:
            refusal = self._judged(call, self._approve(_asked(call)) if self._approve else True)
            if refusal is not None:
                return refusal
            return _encoded(call.tool, call.tool.function(*call.bound.args, **call.bound.kwargs))
        except Exception as error:
            return _failed(call.tool, error)

    async def _settled(self, call: Call) -> Answer:
        try:
            if self._approve is not None:
                verdict = self._approve(_asked(call))
                refusal = self._judged(call, await verdict if isinstance(verdict, Awaitable) else verdict)
                if refusal is not None:
                    return refusal
            returned = call.tool.function(*call.bound.args, **call.bound.kwargs)
            return _encoded(call.tool, await returned if isinstance(returned, Awaitable) else returned)
        except Exception as error:
            return _failed(call.tool, error)

    def _judged(self, call: Call, verdict: Any) -> Answer | None:
        """The refusal that a verdict is, None to go on; a mapping puts other arguments in their place."""
        if verdict is True or verdict is None:
            return None
        if isinstance(verdict, Mapping):
            call.bound = call.tool.with_arguments(verdict)
            return None
        if verdict is False or isinstance(verdict, str):
            why = verdict if isinstance(verdict, str) and verdict else "the call was not approved"
            message = f"{call.tool.name}(): {why[:LONGEST_ANSWER]}"
            return Answer(error_type="permission_denied", message=message)
        raise TypeError(
            f"approve returned {verdict!r:.60}, and may return True, False, a reason or arguments"
        )

    def _end(self, call: Call, answer: Answer) -> None:
        with self._lock:
            following = self._waiting.popleft() if self._waiting else None
            if following is None:
                self._under_way -= 1
        call.answer(answer)
        if following is not None:
            self._begin(following)


def toolbox_of(
    tools: Iterable[Callable[..., Any] | Tool],
    approve: Approve | None,
    loop: asyncio.AbstractEventLoop | None,
) -> Toolbox:
    """The toolbox of a run. Raises `UsageError` for what can't be a tool."""
    return Toolbox(tools_of(tools), approve, loop)


def _asked(call: Call) -> ToolCall:
    return ToolCall(call.tool.name, dict(call.bound.arguments))


def _answer_of(future: Any) -> Answer:
    if future.cancelled():
        return Answer(error_type="cancelled", message="the call was cancelled")
    error = future.exception()
    if error is not None:
        return Answer(error_type="tool_error", message="the tool failed", traceback=_trace(error))
    answer: Answer = future.result()
    return answer


def _failed(tool: Tool, error: BaseException) -> Answer:
    """What a sandbox is told of an error: the text of a `ToolError`, and of others that there was one."""
    if isinstance(error, ToolError):
        return Answer(error_type="tool_error", message=str(error)[:LONGEST_ANSWER], traceback=_trace(error))
    return Answer(error_type="tool_error", message=f"the tool {tool.name!r} failed", traceback=_trace(error))


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _encoded(tool: Tool, value: Any) -> Answer:
    try:
        return Answer(result=json.dumps(value, default=_convert))
    except (TypeError, ValueError, RecursionError) as error:
        message = f"what the tool {tool.name!r} returned can't become JSON: {error}"
        return Answer(error_type="tool_error", message=message, traceback=_trace(error))


def _convert(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)):
        return value.model_dump(mode="json")
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | pathlib.PurePath | decimal.Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
