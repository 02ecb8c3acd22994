"""What comes over a channel: from workers, callers, sandboxes, a shared cache."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from capsule_cache.remote import wire
from capsule_cache.remote.shared_key import BadKey, SharedKey
from capsule_cache.remote.url import BadUrl
from capsule_cache.remote.url import parse_url as parse_remote
from capsule_cache.seal import BadSeal
from capsule_cache.seal import decode as decode_seal
from capsule_cache.seal import encode as encode_seal

from capsule.cli.worker import Worker, parse_request
from capsule.egress.wire import RequestFailure
from capsule.egress.wire import parse_request as parse_http
from capsule.errors import BuildError, Location, UsageError
from capsule.frontend.declared import Unreadable, declared_tasks
from capsule.runtime.attempt import CLAIMABLE, LONGEST_MESSAGE, claimed_failure, read_answer
from capsule.terminal import escape
from capsule.workers.frames import FrameReader, ProtocolError, encode
from capsule.workers.messages import CLAIMS, LONGEST_TEXT, Output, Result, parse
from fuzzing.target import JSON, target, text

LARGEST_BODY = 4096

FRAMES = (
    *(struct.pack("<IBI", length, kind, head) for length, kind, head in ((2, 17, 2), (0, 16, 0), (9, 22, 9))),
    b"\xff\xff\xff\xff",
    b"\x00\x00\x20\x00",
    b'{"attempt":1}',
    b'{"attempt":1,"fuel":1,"load_fuel":0,"load_seconds":0,"seconds":0.5}',
    b'"failure":{"error_type":"timeout","message":"x"}',
    b'"number":1,"name":"x"',
    b'"too_large":9',
    *JSON,
)


@target(ProtocolError, tokens=FRAMES)
def frames(data: bytes) -> None:
    """A worker's channel: the same frames however they are cut, and claims within what can be true."""
    whole = list(FrameReader(LARGEST_BODY).feed(data))
    reader, pieces = FrameReader(LARGEST_BODY), []
    for at in range(0, len(data), 7):
        pieces += reader.feed(data[at : at + 7])
    assert pieces == whole
    for frame in whole:
        assert len(frame.body) <= LARGEST_BODY
        assert list(FrameReader(LARGEST_BODY).feed(encode(frame.kind, frame.head, frame.body))) == [frame]
        with suppress(ProtocolError):
            attempt, message = parse(frame)
            assert attempt >= 0
            match message:
                case Output(stream, content):
                    assert stream in ("stdout", "stderr")
                    assert content == frame.body
                case Result(answer, failure, too_large, fuel):
                    assert fuel >= 0
                    assert (answer is None) == (failure is not None or too_large is not None)
                    if failure is not None:
                        assert failure.error_type in CLAIMS
                        assert len(failure.message) <= LONGEST_TEXT


REQUESTS = (
    b'{"id": 1, "file": "main.py"}',
    b'{"id": 1, "cancel": true}',
    b'"task": ',
    b'"args": ',
    b'"kwargs": ',
    b'"mounts": ',
    b'"limits": ',
    b'"env_file": ',
    b'"output": ',
    b"\n",
    *JSON,
)


@target(tokens=REQUESTS, cost=5)
def worker_requests(data: bytes) -> None:
    """``capsule worker``: each line has one answer, which is a line of JSON and says whose it is."""
    replies = io.BytesIO()
    with _nowhere():
        worker = Worker(replies)
        worker.serve(io.BytesIO(data))
        worker._pool.shutdown(wait=True)
        worker.close()
    lines = [json.loads(line, parse_constant=_refuse) for line in replies.getvalue().splitlines()]
    greeting, *answers = lines
    assert set(greeting) == {"capsule", "protocol"}
    for answer in answers:
        assert set(answer) in ({"id", "error"}, {"id", "outcome"})
    expected = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        known = isinstance(message, dict) and type(message.get("id")) in (int, str)
        if not (known and message.get("cancel") is True and len(str(message["id"])) <= 256):
            expected += 1
    assert len(answers) == expected, (len(answers), expected)


@target(UsageError, ValueError, RecursionError, tokens=REQUESTS)
def worker_request(data: bytes) -> None:
    """One request, as JSON has it."""
    value = json.loads(data)
    if isinstance(value, dict):
        try:
            request = parse_request(value)
        except UsageError:
            return
        except Exception as error:
            raise AssertionError("no UsageError") from error
        assert request.file
        assert all(isinstance(mount, str) for mount in request.mounts)


ANSWERS = (
    b'{"result": 1}',
    b'{"error": {"error_type": "timeout", "message": "x"}}',
    b'"traceback": ',
    b'"error_type": ["x"]',
    b'"execution": {"fuel_consumed": 0}',
    b'"success": true',
    *JSON,
)


@target(tokens=ANSWERS)
def answer(data: bytes) -> None:
    """What a sandbox returns: a value or a failure that it may claim, and nothing else comes out."""
    value, failure = read_answer(text(data), 10_000)
    if failure is None:
        json.dumps(value)
        return
    assert value is None
    assert failure.error_type in {*CLAIMABLE, "result_too_large", "crash"}
    for said in (failure.message, failure.traceback or ""):
        assert len(said) <= LONGEST_MESSAGE
        assert escape(said).isprintable()
    with suppress(ValueError, RecursionError):
        details = json.loads(data)
        if isinstance(details, dict):
            assert claimed_failure(details).error_type in CLAIMABLE


@target(BuildError, tokens=(b'{"name": "main", "options": {}}', b'"file": ', b'"line": ', *JSON))
def declared(data: bytes) -> None:
    """What a sealed sandbox says of a program's tasks; a place that it names is one of the program's."""
    unreadable = Unreadable("what tasks there are", "a loop", Location("main.py", 1))
    found = declared_tasks(
        unreadable, lambda: text(data), entry="main.py", files={"main.py", "lib.py"}, hint="write them out"
    )
    for task in found:
        assert task.name
        assert task.location.file in ("main.py", "lib.py")
        json.dumps(dict(task.options))


HTTP = (
    b'"method": "GET"',
    b'"url": "http://a.example/"',
    b'"headers": [["a", "b"]]',
    b'"body": "aGk="',
    b'"timeout": 1e308',
    b'"redirects": true',
    b"\\r\\n",
    b"\\u010a",
    b"CONNECT",
    b'["Transfer-Encoding", "chunked"]',
    *JSON,
)


@target(RequestFailure, tokens=HTTP)
def http_request(data: bytes) -> None:
    """A request as a sandbox sends it: nothing in it can end a line, or frame a message."""
    request = parse_http(text(data))
    assert request.method.isascii()
    assert not set(request.method) & set(" \r\n\t")
    for name, value in request.headers:
        assert not set(name + value) & set("\r\n\0")
        assert name.lower() not in ("host", "content-length", "transfer-encoding", "connection")
    assert request.timeout is None or 0 < request.timeout <= 86400


SECRET = bytes(range(32))
KEY = SharedKey.from_text(SECRET.hex(), "the fuzzer")


@target(BadSeal, tokens=(b'"mac": "', b'"key": "', b'"size": ', b'"format": 1', b"0" * 64, *JSON))
def seal(data: bytes) -> None:
    """A seal is taken only if we have signed it: then it can be written again."""
    found = decode_seal(data, SECRET)
    assert decode_seal(encode_seal(found, SECRET), SECRET) == found


@target(wire.BadEntry, tokens=(wire.MAGIC, KEY.identity, b"\0" * 40, b"\xff" * 8, b"x\x9c", b"\x78\x01"))
def remote_entry(data: bytes) -> None:
    """An entry of a shared cache that is not as it was signed is refused."""
    payload = wire.decode(data, "a" * 64, KEY)
    assert wire.decode(wire.encode(payload, "a" * 64, KEY), "a" * 64, KEY) == payload


@target(wire.BadEntry, tokens=(b"x\x9c", b"\x78\x01", b"\xff" * 8, b"\0" * 7))
def remote_entry_of_an_insider(data: bytes) -> None:
    """Whoever has the key may sign anything: sizes that lie, bombs, half a stream. Here data is signed as
    it is, then behind true facts about something else."""
    for signed in (data, struct.pack(">Q32s", len(data), hashlib.sha256(data).digest()) + data):
        mac = KEY.sign(wire.MAGIC + hashlib.sha256(b"n").digest() + signed)
        with suppress(wire.BadEntry):
            payload = wire.decode(wire.MAGIC + KEY.identity + mac + signed, "n", KEY)
            assert len(payload) == struct.unpack_from(">Q", signed)[0]


@target(
    BadUrl, tokens=(b"file://", b"s3://", b"https://", b"http://", b"@", b"..", b"?", b"#", b"[::1]", b":")
)
def remote_url(data: bytes) -> None:
    """Where a shared cache is: said again, it is the same place."""
    found = parse_remote(text(data))
    assert parse_remote(str(found)) == found
    assert "@" not in urlsplit(str(found)).netloc


@target(BadKey, tokens=(b"0" * 64, b"\n", b" ", b"g", "０".encode()))
def shared_key(data: bytes) -> None:
    """A key is 64 hex digits, and no text that looks like them."""
    SharedKey.from_text(text(data), "the fuzzer")
    assert len(bytes.fromhex(data.decode().strip())) == 32


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@contextmanager
def _nowhere() -> Iterator[None]:
    """A working directory with nothing in it: requests name files, and there are none."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="capsule-fuzz-") as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
