"""The interface ``codec``: hashing and compression for engines whose language is too slow at it.

Pure functions over a guest's data. Fuel pays for handing it over, not for the work, so each call is
bounded in size and looks at the interrupt between chunks, and a sandbox has a budget for all its calls.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac as hmac_module
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from capsule.runtime.host.guest import Guest

LARGEST: Final = 64 << 20
"""Bytes that one call takes or gives, decoded."""

CHUNK: Final = 1 << 20
"""Bytes worked on between two looks at the interrupt: some 50 ms of compression at the slowest level."""

BUDGET: Final = 4 << 30
"""Bytes that one sandbox may have worked on, taken and given: some 10 s of hashing, or 3 minutes of
compression at the slowest level. What ends a task without a timeout, where fuel would not."""

LEAST: Final = 4 << 10
"""Bytes that a call counts as at least: crossing over to the host costs as much as hashing these."""

PIECE: Final = 16 << 10
"""Bytes fed to the decompressor at once: what follows a gzip member is copied, and members can be tiny."""

GZIP_MAGIC: Final = b"\x1f\x8b"

ALGORITHMS: Final = {
    "md5": "md5",
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha512-256": "sha512_256",
    "sha3-256": "sha3_256",
    "sha3-384": "sha3_384",
    "sha3-512": "sha3_512",
    "ripemd160": "ripemd160",
}
"""The contract's names, and hashlib's."""

WINDOW_BITS: Final = {"gzip": 31, "zlib": 15, "deflate": -15}


class CodecError(Exception):
    """No result. ``reason`` is a case of ``codec.failure`` in the contract."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def digest(guest: Guest, algorithm: str, data: str) -> object:
    """``codec.digest``."""
    return _answer(lambda: _hash(algorithm, taken(data, guest), guest))


def hmac(guest: Guest, algorithm: str, key: str, data: str) -> object:
    """``codec.hmac``."""
    return _answer(lambda: _hmac(algorithm, taken(key, guest), taken(data, guest), guest))


def compress(guest: Guest, format: str, level: int, data: str) -> object:
    """``codec.compress``."""
    return _answer(lambda: _compress(format, level, taken(data, guest), guest))


def decompress(guest: Guest, format: str, limit: int, data: str) -> object:
    """``codec.decompress``."""
    return _answer(lambda: _decompress(format, limit, taken(data, guest), guest))


def taken(text: str, guest: Guest) -> bytes:
    """The bytes that base64 ``text`` stands for, paid for. Raises `CodecError`."""
    data = decoded(text)
    _pay(guest, max(len(data), LEAST))
    return data


def _pay(guest: Guest, size: int) -> None:
    if guest.codec_bytes + size > BUDGET:
        raise CodecError(
            "too-large",
            f"this task has had {BUDGET >> 30} GiB hashed and compressed, which is all that a task may; "
            "a sub-task has as much of its own",
        )
    guest.codec_bytes += size


def decoded(text: str) -> bytes:
    """The bytes that base64 ``text`` stands for. Raises `CodecError`."""
    if len(text) > LARGEST * 4 // 3 + 4:
        raise CodecError("too-large", f"more than {LARGEST >> 20} MiB of data in one call")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CodecError("invalid-data", f"not base64: {error}") from None


def _chunks(data: bytes, guest: Guest) -> Iterator[memoryview]:
    view = memoryview(data)
    for start in range(0, len(data), CHUNK):
        guest.interrupt.check()
        yield view[start : start + CHUNK]


def _algorithm(name: str) -> str:
    try:
        known = ALGORITHMS[name]
        hashlib.new(known, usedforsecurity=False)
    except (KeyError, ValueError):
        raise CodecError("unknown-algorithm", f'no hash algorithm "{name}"') from None
    return known


def _hash(algorithm: str, data: bytes, guest: Guest) -> bytes:
    # What the guest hashes, and what for, is its own business: weak algorithms are allowed.
    state = hashlib.new(_algorithm(algorithm), usedforsecurity=False)
    for chunk in _chunks(data, guest):
        state.update(chunk)
    return state.digest()


def _hmac(algorithm: str, key: bytes, data: bytes, guest: Guest) -> bytes:
    name = _algorithm(algorithm)

    def begun(text: bytes = b"") -> hashlib._Hash:
        # It is given a key that is longer than a block, to make a shorter one.
        return hashlib.new(name, text, usedforsecurity=False)

    state = hmac_module.new(key, digestmod=begun)
    for chunk in _chunks(data, guest):
        state.update(chunk)
    return state.digest()


def _compress(format: str, level: int, data: bytes, guest: Guest) -> bytes:
    state = zlib.compressobj(min(level, 9), zlib.DEFLATED, WINDOW_BITS[format])
    parts = [state.compress(chunk) for chunk in _chunks(data, guest)]
    result = b"".join([*parts, state.flush()])
    _pay(guest, len(result))
    return result


def _decompress(format: str, limit: int, data: bytes, guest: Guest) -> bytes:
    limit = min(limit, LARGEST)
    result = bytearray()
    state = zlib.decompressobj(WINDOW_BITS[format])
    position, piece = 0, b""
    while True:
        guest.interrupt.check()
        if not piece:
            piece = data[position : position + PIECE]
            position += len(piece)
        try:
            part = state.decompress(piece, min(CHUNK, limit + 1 - len(result)))
        except zlib.error as error:
            raise CodecError("invalid-data", str(error)) from None
        result += part
        _pay(guest, len(part))
        if len(result) > limit:
            raise CodecError("too-large", f"decompresses to more than {limit} bytes")
        if not (piece or part or state.eof):
            raise CodecError("invalid-data", "unexpected end of file")
        piece = state.unconsumed_tail
        if state.eof:
            piece = state.unused_data
            # As gzip(1) and Node do it: another member follows, anything else after the last is ignored.
            if format != "gzip" or not (piece + data[position : position + 2]).startswith(GZIP_MAGIC):
                return bytes(result)
            state = zlib.decompressobj(WINDOW_BITS[format])


def _answer(work: Callable[[], bytes]) -> object:
    from wasmtime.component import Record

    try:
        return base64.b64encode(work()).decode("ascii")
    except CodecError as failed:
        error: Any = Record()
        error.reason = failed.reason
        error.message = failed.message
        return error


CODEC: Mapping[str, Callable[..., Any]] = {
    "digest": digest,
    "hmac": hmac,
    "compress": compress,
    "decompress": decompress,
}
