"""The interface ``capsule:host/api`` of the reference implementation, over our own services.

There a guest hands over the policy that a sub-task shall have. Here the text is checked and told to the
journal, and has no other effect: whoever runs the component decides, by ceilings.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from capsule.artifact.foreign import ASKED, LONGEST_TASK_NAME, is_task_name
from capsule.egress.wire import RequestFailure
from capsule.policy.options import OPTIONS
from capsule.runtime.host.guest import Guest, TaskRefused, guarded
from capsule.runtime.host.metering import metered
from capsule.runtime.hostile_json import read_json

INTERFACE: Final = "capsule:host/api"

_REFUSALS: Final = {"unknown-task": "invalid-name", "bad-arguments": "invalid-args"}
_FAILURES: Final = {"timeout": "timeout", "invalid-request": "invalid-url"}

_TASK_ERROR: Final = (
    "variant {invalid-name(string), invalid-config(string), invalid-args(string), internal-error(string)}"
)
_RESPONSE: Final = "record {status: u16, headers: list<tuple<string, string>>, body: string}"
_HTTP_ERROR: Final = "variant {network-error(string), timeout(string), invalid-url(string)}"

TYPES: Final[Mapping[str, str]] = {
    "schedule-task": f"func(string, string, string) -> result<string, {_TASK_ERROR}>",
    "http-request": "func(string, string, list<tuple<string, string>>, option<string>) "
    f"-> result<{_RESPONSE}, {_HTTP_ERROR}>",
}
"""What the interface's functions have to be, as `capsule.runtime.export_types` describes them."""

TYPE_NAMES: Final = frozenset(("task-error", "http-response", "http-error"))


def schedule_task(guest: Guest, name: str, arguments: str, config: str) -> Any:
    """``schedule-task``: runs a task of the same component in a sandbox of its own, and waits for it.

    Returns its envelope as JSON, or a ``task-error``.
    """
    from wasmtime.component import Variant

    if guest.loading:
        return Variant("internal-error", "tasks can't be started while the component is being loaded")
    if not is_task_name(name):
        message = f"a task's name has 1 to {LONGEST_TASK_NAME} printable characters"
        return Variant("invalid-name", message)
    given = _arguments(arguments)
    if given is None:
        message = "the arguments are neither a JSON list nor an object of args and kwargs"
        return Variant("invalid-args", message)
    asked = _asked(config)
    if asked is None:
        return Variant("invalid-config", "the configuration is not a JSON object")
    handle = guest.ledger.open("task")
    try:
        text = json.dumps({**given, ASKED: asked})
        guest.services.start_task(name, text, lambda envelope: guest.ledger.end(handle, envelope))
    except TaskRefused as refused:
        guest.ledger.end(handle, "")
        guest.ledger.take(handle, "task", guest.interrupt)
        return Variant(_REFUSALS.get(refused.reason, "internal-error"), refused.message)
    guest.services.waiting()
    try:
        return guest.ledger.take(handle, "task", guest.interrupt)
    finally:
        guest.services.resumed()


def _arguments(text: str) -> dict[str, Any] | None:
    try:
        found = read_json(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list):
        return {"args": found, "kwargs": {}}
    if isinstance(found, dict) and found.keys() <= {"args", "kwargs"}:
        args, kwargs = found.get("args", []), found.get("kwargs", {})
        if isinstance(args, list) and isinstance(kwargs, dict):
            return {"args": args, "kwargs": kwargs}
    return None


def _asked(config: str) -> list[str] | None:
    """The options that the guest wants to decide itself, by our names for them."""
    try:
        found = read_json(config)
    except (ValueError, RecursionError):
        return None
    return [option for option in OPTIONS if option in found] if isinstance(found, dict) else None


def http_request(guest: Guest, request: str) -> Any:
    """``http-request``: a response's record, or an ``http-error``."""
    from wasmtime.component import Record, Variant

    guest.services.waiting()
    try:
        response = json.loads(guest.services.request(request, guest.interrupt))
    except RequestFailure as failed:
        return Variant(_FAILURES.get(failed.reason, "network-error"), failed.message)
    finally:
        guest.services.resumed()
    made: Any = Record()
    made.status = response["status"]
    made.headers = [(name, value) for name, value in response["headers"]]
    made.body = base64.b64decode(response["body"]).decode("utf-8", "replace")
    return made


def _as_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes one text of a request, whose every character is then paid for and bounded like others."""

    def call(store: Any, method: str, url: str, headers: list[tuple[str, str]], body: str | None) -> Any:
        encoded = None if body is None else base64.b64encode(body.encode()).decode("ascii")
        return function(
            store, json.dumps({"method": method, "url": url, "headers": headers, "body": encoded})
        )

    return call


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "schedule-task": metered(guarded(schedule_task)),
    "http-request": _as_text(metered(guarded(http_request))),
}
