"""Bytes to and from a remote, over fsspec: bounded in size and in time, and nothing believed of them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from capsule_cache.errors import StoreError
from capsule_cache.remote.url import BadUrl, RemoteUrl

CONNECT_SECONDS = 3.0
_SUFFIX = ".capsule"
_CHUNK = 1 << 20
_ABSENT = (404, 410)
_HEAD_UNKNOWN = (405, 501)

T = TypeVar("T")


class TooLarge(StoreError):
    """The remote sends more than an entry can be."""


class Transport(Protocol):
    """Names and bytes. Every method raises `TimeoutError`, or anything else that a back end raises."""

    def read(self, name: str, limit: int) -> bytes | None:
        """What is stored as ``name``; None for nothing. Raises `TooLarge` for more than ``limit`` bytes."""

    def write(self, name: str, data: bytes) -> None:
        """Stores ``data`` as ``name``, in one step where the back end can."""

    def exists(self, name: str) -> bool:
        """Whether anything is stored as ``name``."""


def open_transport(url: RemoteUrl, *, timeout: float, authorization: str | None = None) -> Transport:
    """The transport to an address; nothing is sent yet. A single transfer takes at most ``timeout`` seconds.

    ``authorization`` is the HTTP header of this name; S3 takes its credentials where every client does.
    Raises `BadUrl` when what is needed is not installed, or when a secret would be sent in the clear.
    """
    try:
        match url.scheme:
            case "file":
                return FolderTransport(url, timeout)
            case "s3":
                return S3Transport(url, timeout)
            case _:
                return HttpTransport(url, timeout, authorization)
    except ImportError as error:
        extra = "s3" if url.scheme == "s3" else "remote"
        raise BadUrl(
            f"{url.scheme}:// needs a package that is not installed: {error.name or error}",
            hint=f'pip install "capsule-cache[{extra}]"',
        ) from None


class FolderTransport:
    """A folder, on a disk that several machines share."""

    def __init__(self, url: RemoteUrl, timeout: float) -> None:
        import fsspec

        self._files = fsspec.filesystem("file", auto_mkdir=True, skip_instance_cache=True)
        self._base = url.base
        self._timeout = timeout

    def read(self, name: str, limit: int) -> bytes | None:
        """See `Transport`."""
        return within(self._timeout, lambda: self._read(name, limit))

    def write(self, name: str, data: bytes) -> None:
        """See `Transport`."""
        within(self._timeout, lambda: self._write(name, data))

    def exists(self, name: str) -> bool:
        """See `Transport`."""
        return within(self._timeout, lambda: bool(self._files.isfile(self._path(name))))

    def _read(self, name: str, limit: int) -> bytes | None:
        try:
            with self._files.open(self._path(name), "rb") as file:
                data: bytes = file.read(limit + 1)
        except FileNotFoundError:
            return None
        return _bounded(data, limit)

    def _write(self, name: str, data: bytes) -> None:
        # Beside its place, so that the last step is a rename, which readers see whole or not at all.
        making = f"{self._base}/.{name}-{secrets.token_hex(8)}.tmp"
        try:
            self._files.pipe_file(making, data)
            self._files.mv(making, self._path(name))
        except BaseException:
            with suppress(OSError):
                self._files.rm_file(making)
            raise

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}{_SUFFIX}"


class HttpTransport:
    """A server that answers GET and PUT, as every WebDAV server does. Redirects are not followed.

    The requests are made in fsspec's session and loop, and not by its methods: those follow redirects
    where they stream, ask for a size first, and upload without a length, which many servers refuse.
    """

    def __init__(self, url: RemoteUrl, timeout: float, authorization: str | None) -> None:
        import aiohttp
        import fsspec

        if authorization is not None and not url.secret_safe:
            raise BadUrl(
                f"credentials are not sent to {url}, where anybody on the way can read them",
                hint="use https://, or unset CAPSULE_CACHE_AUTHORIZATION",
            )
        self._files = fsspec.filesystem(
            "http",
            skip_instance_cache=True,
            get_client=_client,
            client_kwargs={
                "timeout": aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                "headers": {} if authorization is None else {"Authorization": authorization},
                # A compressed answer could grow without bound while it is unpacked.
                "auto_decompress": False,
                # For proxies. Credentials of .netrc are for its hosts only.
                "trust_env": True,
            },
        )
        self._base = url.base
        self._timeout = timeout

    def read(self, name: str, limit: int) -> bytes | None:
        """See `Transport`."""
        return _in_loop(self._files, self._timeout, lambda: self._read(name, limit))

    def write(self, name: str, data: bytes) -> None:
        """See `Transport`."""
        _in_loop(self._files, self._timeout, lambda: self._write(name, data))

    def exists(self, name: str) -> bool:
        """See `Transport`."""
        return _in_loop(self._files, self._timeout, lambda: self._exists(name))

    async def _exists(self, name: str) -> bool:
        session = await self._files.set_session()
        async with session.head(self._url(name), allow_redirects=False) as response:
            # Where HEAD isn't known, nobody can say: an upload too many does no harm.
            if response.status not in (200, *_ABSENT, *_HEAD_UNKNOWN):
                raise _answered(response)
            return bool(response.status == 200)

    async def _read(self, name: str, limit: int) -> bytes | None:
        session = await self._files.set_session()
        async with session.get(self._url(name), allow_redirects=False) as response:
            if response.status in _ABSENT:
                return None
            if response.status != 200:
                raise _answered(response)
            return await _read_stream(response.content, limit)

    async def _write(self, name: str, data: bytes) -> None:
        session = await self._files.set_session()
        async with session.put(self._url(name), data=data, allow_redirects=False) as response:
            if response.status not in (200, 201, 202, 204):
                raise _answered(response)

    def _url(self, name: str) -> str:
        return f"{self._base}/{name}{_SUFFIX}"


class S3Transport:
    """A bucket of S3, or of a service that speaks its protocol (``AWS_ENDPOINT_URL`` says where)."""

    def __init__(self, url: RemoteUrl, timeout: float) -> None:
        import fsspec

        self._files = fsspec.filesystem(
            "s3",
            skip_instance_cache=True,
            use_listings_cache=False,
            config_kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": timeout,
                "retries": {"max_attempts": 1},
            },
        )
        self._base = url.base
        self._timeout = timeout

    def read(self, name: str, limit: int) -> bytes | None:
        """See `Transport`."""
        return _in_loop(self._files, self._timeout, lambda: self._read(name, limit))

    def write(self, name: str, data: bytes) -> None:
        """See `Transport`."""
        _in_loop(self._files, self._timeout, lambda: self._files._pipe_file(self._path(name), data))

    def exists(self, name: str) -> bool:
        """See `Transport`."""
        return bool(_in_loop(self._files, self._timeout, lambda: self._files._exists(self._path(name))))

    async def _read(self, name: str, limit: int) -> bytes | None:
        file = await self._files.open_async(self._path(name))
        try:
            return await _read_stream(file, limit)
        except FileNotFoundError:
            return None
        finally:
            if file.r is not None:
                file.r.close()

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}{_SUFFIX}"


def within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work`` returns or raises. Raises `TimeoutError` after ``seconds``, and leaves it to itself.

    For calls that the operating system may never return from, as on a network disk that is gone.
    """
    came: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            came.append(work())
        except BaseException as error:
            failed.append(error)

    # A daemon: an executor would be waited for at the interpreter's end.
    thread = threading.Thread(target=run, name="capsule-cache-transfer", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not came:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return came[0]


def _answered(response: Any) -> OSError:
    return OSError(f"answered {response.status} {response.reason or ''}".strip())


async def _client(**kwargs: Any) -> Any:
    import aiohttp

    # A jar of cookies can only be made where the session is: in fsspec's loop.
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), **kwargs)


def _in_loop(files: Any, seconds: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    from fsspec.asyn import sync
    from fsspec.exceptions import FSTimeoutError

    try:
        result: T = sync(files.loop, work, timeout=seconds)
    except (FSTimeoutError, TimeoutError):
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    return result


async def _read_stream(file: Any, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await file.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise TooLarge(f"more than {limit} bytes")
    return b"".join(parts)


def _bounded(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise TooLarge(f"more than {limit} bytes")
    return data
