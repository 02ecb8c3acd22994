"""The threads with which wasmtime uses files: a copied process has lost them, and has to get new ones.

wasmtime-wasi hands each use of a file to a pool of threads (tokio's), and waits. The pool starts a thread
when none is idle. A copy has no thread, and a pool that counts the idle ones of its original: a use of a file
waits for ever, but counts one idle thread less. So the copy uses a file from threads of its own, one after
the other, until the pool starts a thread; that one does all the uses that wait.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from capsule.runtime.engine import engine

if TYPE_CHECKING:
    import wasmtime

MOST_IDLE: Final = 16
"""Idle threads that the pool may have: one sandbox uses files one after the other."""

PATIENCE: Final = 0.05
"""Seconds in which a use of a file is over, when there is a thread for it."""

LAST: Final = 5.0

USE: Final = """
(module
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $use (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "use") (result i32) (call $use (i32.const 3) (i32.const 0))))
"""


@dataclass(frozen=True, slots=True)
class _User:
    """A tiny sandbox that looks at the folder that it has."""

    store: wasmtime.Store
    function: wasmtime.Func

    def use(self) -> None:
        """Uses a file; waits until a thread of the pool has done it."""
        self.store.set_fuel(1_000_000)
        self.store.set_epoch_deadline(1 << 40)
        self.function(self.store)


class Revival:
    """Made before there are copies, with the path of any folder; used in each copy that goes on."""

    def __init__(self, folder: str) -> None:
        import wasmtime

        linker = wasmtime.Linker(engine())
        linker.define_wasi()
        module = wasmtime.Module(engine(), USE)
        self._users = []
        for _ in range(MOST_IDLE + 1):
            store = wasmtime.Store(engine())
            wasi = wasmtime.WasiConfig()
            wasi.preopen_dir(folder, "/")
            store.set_wasi(wasi)
            store.set_fuel(1_000_000)
            store.set_epoch_deadline(1 << 40)
            function = linker.instantiate(store, module).exports(store)["use"]
            assert isinstance(function, wasmtime.Func)
            self._users.append(_User(store, function))

    def revive(self) -> bool:
        """Uses files until the pool has a thread. Returns False when it never had one."""
        threads = []
        for user in self._users:
            thread = threading.Thread(target=user.use, name="capsule-revival", daemon=True)
            thread.start()
            threads.append(thread)
            thread.join(PATIENCE)
            if not thread.is_alive():
                break
        end = time.monotonic() + LAST
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)
