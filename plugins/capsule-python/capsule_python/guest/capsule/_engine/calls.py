"""Runs one task, and says what came of it."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from json import dumps, loads  # as they are now: a program may put something else into their module
from typing import Any

from .. import tasks as sdk
from . import failure, output, values

_NO_MEMORY = '{"error":{"error_type":"out_of_memory","message":"MemoryError","traceback":null}}'


def run(call: str, main_module: str) -> str:
    """The export ``run``: never raises."""
    try:
        sdk.registry.running = True
        return _run(call, main_module)
    except BaseException as error:
        try:
            return f'{{"error":{failure.to_json(error)}}}'
        except BaseException:
            return _NO_MEMORY
    finally:
        output.flush()


def _run(call: str, main_module: str) -> str:
    request = loads(call)
    name, args, kwargs = request["task"], request.get("args", []), request.get("kwargs", {})
    function = find(name, main_module)
    if function is None:
        known = ", ".join(sorted(sdk.registry.tasks)) or "none"
        return _invalid(f"no task named {name!r}; the program's tasks are: {known}")
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        return _invalid(f"{name}(): {error}")
    except ValueError:
        # A callable without a signature takes its chances.
        pass
    result = function(*args, **kwargs)
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    return f'{{"result":{values.encode_result(result)}}}'


def find(name: str, main_module: str) -> Callable[..., Any] | None:
    """The function behind a task name, by the rules of the guide; None when there is none."""
    tasks = sdk.registry.tasks
    if name in tasks:
        return tasks[name].function
    if name != "main":
        return None
    plain = plain_main(main_module)
    if plain is not None:
        return plain
    return next((task.function for task in tasks.values()), None)


def plain_main(main_module: str) -> Callable[..., Any] | None:
    """A function ``main`` of the entry module that nobody decorated."""
    found = getattr(sys.modules.get(main_module), "main", None)
    return found if inspect.isroutine(found) else None


def _invalid(message: str) -> str:
    return dumps({"error": {"error_type": "invalid_call", "message": message, "traceback": None}})


def declared(main_module: str) -> str:
    """The export ``declared``: the registered tasks as JSON."""
    found = [
        {"name": task.name, "options": _plain(task.options), "file": task.file, "line": task.line}
        for task in sdk.registry.tasks.values()
    ]
    plain = plain_main(main_module)
    if plain is not None and "main" not in sdk.registry.tasks:
        code = getattr(plain, "__code__", None)
        file, line = getattr(code, "co_filename", None), getattr(code, "co_firstlineno", None)
        found.append({"name": "main", "options": {}, "file": file, "line": line})
    return dumps(found)


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    plain = {}
    for name, value in options.items():
        try:
            plain[name] = loads(values.encode_result(value))
        except values.NotJson:
            # The host reports the option by name and shows this text as its value.
            plain[name] = repr(value)
    return plain
