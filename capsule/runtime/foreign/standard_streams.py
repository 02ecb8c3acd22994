"""A command's standard input and output, byte for byte.

wasmtime hands what a guest writes to a function of ours on threads of its own, and drops what it has not
handed over when the sandbox is closed. To a file it writes at once: so a command gets the end of a pipe.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from capsule.runtime.preopens import DESCRIPTORS

if TYPE_CHECKING:
    import wasmtime

ELSEWHERE: Final = Path("/dev/fd")
"""Where systems other than Linux show a process its descriptors."""

PIECE: Final = 256 << 10


class OutputPipe:
    """Takes what is written to ``path``: keeps ``most`` bytes and one more, reads and forgets the rest.

    The guest never waits for anyone but our own thread, and takes no more of our memory than that.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._reader, self._writer = os.pipe()
        self._woken, self._wake = os.pipe()
        self._kept = bytearray()
        self._open = True
        self._thread = threading.Thread(target=self._read, name="capsule-command-output", daemon=True)
        self._thread.start()

    @property
    def path(self) -> str:
        """What wasmtime is to open."""
        return str((DESCRIPTORS if DESCRIPTORS.is_dir() else ELSEWHERE) / str(self._writer))

    def drain(self) -> bytes:
        """Everything that was written, once the guest has ended."""
        if self._open:
            self._open = False
            # Not the end of the pipe is waited for: a process that was forked meanwhile may hold it open.
            os.close(self._wake)
            self._thread.join()
            os.close(self._writer)
        return bytes(self._kept)

    def _read(self) -> None:
        ready = select.poll()
        ready.register(self._reader, select.POLLIN)
        ready.register(self._woken, select.POLLIN)
        try:
            while self._reader in dict(ready.poll()):
                piece = os.read(self._reader, PIECE)
                self._kept += piece[: self._most + 1 - len(self._kept)]
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
