"""One build with esbuild's native program, without a Node in between.

The program is spoken to in its service protocol, which its own JavaScript library uses: packets on stdin and
stdout, each a length, an id and a value. It belongs to the exact version that the lock file names, so the
program's version is compared first. Spoken directly, it builds a small file in 20 ms, where starting a Node
costs 40 ms more, and its resolver can be asked to leave exactly the engine's built-ins alone.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capsule.errors import BuildError

_LARGEST_PACKET = 1 << 30
_KEY = 1

MEMORY = 2 << 30
"""Bytes that it may take; a program with large packages takes a tenth of that."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A callback of the build's: ``filter`` is a Go regular expression over paths, ``answer`` takes the
    request and gives the response, or None to leave it to esbuild."""

    filter: str
    answer: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A build of ``entry`` (JavaScript text) as if it lay in ``folder``; outputs are not written."""

    entry: str
    folder: Path
    working_folder: Path
    flags: Sequence[str]
    resolve: Sequence[Hook] = ()
    load: Sequence[Hook] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """An error or a warning: ``line`` counts from 1, ``column`` from 0; ``file`` is None without a place.

    ``file`` is relative to the request's working folder.
    """

    text: str
    file: str | None = None
    line: int | None = None
    column: int = 0
    line_text: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """What esbuild made: output files by name, the metafile as JSON text, and what it says."""

    outputs: Mapping[str, bytes] = field(default_factory=dict)
    metafile: str = ""
    errors: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()


def run_build(program: Path, version: str, request: Request, *, timeout: float) -> Response:
    """Runs one build. Errors in the user's code are in the response.

    Raises `BuildError` when esbuild can't be started, is another version, breaks down, or takes longer than
    ``timeout`` seconds.
    """
    try:
        child = subprocess.Popen(
            [str(program), f"--service={version}"],
            cwd=request.working_folder,
            env={"PATH": os.defpath},  # nothing of the user's: it has no use for it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise BuildError(f"esbuild can't be started: {error.strerror}", hint="capsule doctor") from None
    # Its reads block: only the program's end can interrupt them. It also ends by itself with our stdin pipe.
    late = threading.Event()

    def give_up() -> None:
        late.set()
        _kill(child)

    timer = threading.Timer(timeout, give_up)
    timer.start()
    # It has read nothing yet: what it is to build comes with the request.
    _bound(child)
    try:
        return _Session(child, request).run(version)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        if late.is_set():
            raise BuildError(f"esbuild took longer than {timeout:g} seconds") from None
        raise BuildError(f"esbuild broke down: {error}", hint="capsule doctor") from None
    finally:
        timer.cancel()
        _kill(child)
        with child:
            pass


def _bound(child: subprocess.Popen[bytes]) -> None:
    """Bounds the memory that it writes to, where one process may set that of another."""
    if sys.platform == "linux":
        with suppress(OSError):
            _, most = resource.prlimit(child.pid, resource.RLIMIT_DATA)
            value = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
            resource.prlimit(child.pid, resource.RLIMIT_DATA, (value, value))


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)


class _Session:
    def __init__(self, child: subprocess.Popen[bytes], request: Request) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._input = child.stdin
        self._output = child.stdout
        self._request = request

    def run(self, version: str) -> Response:
        found = self._packet().decode("utf-8", "replace")
        if found != version:
            raise ValueError(f"it is version {found[:40]!r}, not {version!r}")
        self._send(0, False, self._build_request())
        while True:
            identifier, is_answer, value = decode_packet(self._packet())
            if is_answer:
                if value.get("error"):
                    raise ValueError(str(value["error"])[:1000])
                return _response(value)
            self._send(identifier, True, self._answer(value))

    def _build_request(self) -> dict[str, Any]:
        def hooks(found: Sequence[Hook], first: int) -> list[dict[str, Any]]:
            return [
                {"id": first + index, "filter": hook.filter, "namespace": hook.namespace}
                for index, hook in enumerate(found)
            ]

        request = self._request
        plugin = {
            "name": "capsule",
            "onStart": False,
            "onEnd": False,
            "onResolve": hooks(request.resolve, 0),
            "onLoad": hooks(request.load, len(request.resolve)),
        }
        return {
            "command": "build",
            "key": _KEY,
            "entries": [],
            "flags": list(request.flags),
            "write": False,
            "stdinContents": request.entry.encode(),
            "stdinResolveDir": str(request.folder),
            "absWorkingDir": str(request.working_folder),
            "nodePaths": [],
            "context": False,
            "plugins": [plugin],
        }

    def _answer(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        hooks = [*self._request.resolve, *self._request.load]
        if value["command"] == "on-start":
            return {"errors": [], "warnings": []}
        for identifier in value["ids"]:
            answer = hooks[identifier].answer(value)
            if answer is not None:
                return {"id": identifier, **answer}
        return {}

    def _send(self, identifier: int, is_answer: bool, value: Mapping[str, Any]) -> None:
        self._input.write(encode_packet(identifier, is_answer, value))
        self._input.flush()

    def _packet(self) -> bytes:
        (length,) = struct.unpack("<I", self._exactly(4))
        if length > _LARGEST_PACKET:
            raise ValueError("a packet that is too long")
        return self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        data = self._output.read(length)
        if len(data) != length:
            raise ValueError("it ended before it answered")
        return data


def _response(value: Mapping[str, Any]) -> Response:
    return Response(
        outputs={
            file["path"].replace("\\", "/").rpartition("/")[2]: file["contents"]
            for file in value.get("outputFiles") or ()
        },
        metafile=(value.get("metafile") or b"").decode("utf-8", "replace")
        if isinstance(value.get("metafile"), bytes)
        else value.get("metafile") or "",
        errors=tuple(_message(message) for message in value.get("errors") or ()),
        warnings=tuple(_message(message) for message in value.get("warnings") or ()),
    )


def _message(value: Mapping[str, Any]) -> Message:
    place = value.get("location") or {}
    return Message(
        text=value["text"],
        file=place.get("file") or None,
        line=place.get("line"),
        column=place.get("column") or 0,
        line_text=place.get("lineText") or "",
        notes=tuple(note["text"] for note in value.get("notes") or ()),
    )


def encode_packet(identifier: int, is_answer: bool, value: Any) -> bytes:
    """A packet with its length in front."""
    body = bytearray(struct.pack("<I", identifier << 1 | is_answer))
    _encode(body, value)
    return struct.pack("<I", len(body)) + bytes(body)


def decode_packet(data: bytes) -> tuple[int, bool, Any]:
    """The id, whether it answers a request, and the value of a packet without its length.

    Raises `ValueError` for anything else.
    """
    try:
        (head,) = struct.unpack_from("<I", data, 0)
        value, end = _decode(data, 4, 0)
    except (struct.error, IndexError) as error:
        raise ValueError("a packet that is cut off") from error
    if end != len(data):
        raise ValueError("a packet with more in it than a value")
    return head >> 1, bool(head & 1), value


def _encode(body: bytearray, value: Any) -> None:
    match value:
        case None:
            body.append(0)
        case bool():
            body += bytes((1, value))
        case int():
            body += struct.pack("<BI", 2, value & 0xFFFFFFFF)
        case str():
            _encode_bytes(body, 3, value.encode("utf-8", "replace"))
        case bytes():
            _encode_bytes(body, 4, value)
        case list():
            body += struct.pack("<BI", 5, len(value))
            for item in value:
                _encode(body, item)
        case dict():
            body += struct.pack("<BI", 6, len(value))
            for name, item in value.items():
                encoded = name.encode()
                body += struct.pack("<I", len(encoded)) + encoded
                _encode(body, item)
        case _:
            raise TypeError(f"esbuild takes no {type(value).__name__}")


def _encode_bytes(body: bytearray, tag: int, data: bytes) -> None:
    body += struct.pack("<BI", tag, len(data)) + data


_DEEPEST = 64


def _decode(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise ValueError("a packet that is nested too deeply")
    tag, at = data[at], at + 1
    if tag == 0:
        return None, at
    if tag == 1:
        return bool(data[at]), at + 1
    (number,) = struct.unpack_from("<I", data, at)
    at += 4
    if tag == 2:
        return number, at
    if tag in (3, 4):
        content = _take(data, at, number)
        return content.decode("utf-8", "replace") if tag == 3 else content, at + number
    if tag == 5:
        items = []
        for _ in range(number):
            item, at = _decode(data, at, depth + 1)
            items.append(item)
        return items, at
    if tag == 6:
        fields = {}
        for _ in range(number):
            (length,) = struct.unpack_from("<I", data, at)
            name = _take(data, at + 4, length).decode("utf-8", "replace")
            fields[name], at = _decode(data, at + 4 + length, depth + 1)
        return fields, at
    raise ValueError("a packet of an unknown kind")


def _take(data: bytes, at: int, length: int) -> bytes:
    content = data[at : at + length]
    if len(content) != length:
        raise ValueError("a packet that is cut off")
    return content
