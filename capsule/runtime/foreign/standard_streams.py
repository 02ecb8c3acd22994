"""The standard streams of guests that were not made for this host, byte for byte.

wasmtime hands what a guest writes to a function of ours on threads of its own, and drops what it has not
handed over when the sandbox is closed. Guests of ours wait until it is handed over; others need not. To a
file wasmtime writes at once: so such a guest gets the ends of pipes.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from capsule.runtime.preopens import DESCRIPTORS

if TYPE_CHECKING:
    import wasmtime

ELSEWHERE: Final = Path("/dev/fd")
"""Where systems other than Linux show a process its descriptors."""

PIECE: Final = 256 << 10


class Kept:
    """What was written, ``most`` bytes of it and one more, which tells that there was more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._data = bytearray()

    def take(self, piece: bytes) -> None:
        """Keeps what there is place for, and forgets the rest."""
        self._data += piece[: self._most + 1 - len(self._data)]

    @property
    def data(self) -> bytes:
        """What is kept."""
        return bytes(self._data)


class OutputPipe:
    """Hands what is written to ``path`` to ``take``, piece by piece, on a thread of its own.

    The guest never waits for anyone but that thread, and takes no more of our memory than a piece.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._reader, self._writer = os.pipe()
        self._woken, self._wake = os.pipe()
        self._open = True
        self._thread = threading.Thread(target=self._read, name="capsule-guest-output", daemon=True)
        self._thread.start()

    @property
    def path(self) -> str:
        """What wasmtime is to open."""
        return str((DESCRIPTORS if DESCRIPTORS.is_dir() else ELSEWHERE) / str(self._writer))

    def drain(self) -> None:
        """Returns when everything that was written has been taken, once the guest has ended."""
        if self._open:
            self._open = False
            # Not the end of the pipe is waited for: a process that was forked meanwhile may hold it open.
            os.close(self._wake)
            self._thread.join()
            os.close(self._writer)

    def _read(self) -> None:
        ready = select.poll()
        ready.register(self._reader, select.POLLIN)
        ready.register(self._woken, select.POLLIN)
        try:
            while self._reader in dict(ready.poll()):
                self._take(os.read(self._reader, PIECE))
        finally:
            os.close(self._reader)
            os.close(self._woken)


def give_stdin(wasi: wasmtime.WasiConfig, data: bytes) -> None:
    """Makes ``data`` what a command reads from its standard input."""
    from wasmtime import _ffi as ffi

    # The configuration takes over the memory that is made here.
    vector = ffi.wasm_byte_vec_t()
    ffi.wasm_byte_vec_new_uninitialized(ctypes.byref(vector), len(data))
    ctypes.memmove(vector.data, data, len(data))
    ffi.wasi_config_set_stdin_bytes(wasi.ptr(), ctypes.byref(vector))
