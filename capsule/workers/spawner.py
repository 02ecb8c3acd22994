"""The broker's side of the zygote: starts it when it is first needed, and asks it for workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from capsule.errors import CapsuleError
from capsule.runtime.engine import check_wasmtime, wasmtime_version
from capsule.workers import passing
from capsule.workers.arenas import ARENAS, VARIABLE
from capsule.workers.isolation import chosen_isolation

START_SECONDS = 60.0
"""How long a zygote may take to be ready, on a busy machine."""

ANSWER_SECONDS = 30.0
"""How long it may take to answer: it does one small thing at a time."""

# Isolated (-I): neither the folder that we are in nor PYTHON* variables say what is imported.
BOOT = (
    "import sys; sys.path += sys.argv[3:]; "
    "from capsule.workers.zygote import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)

PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SYSTEMROOT")
"""Variables that an interpreter may need to start; nothing else of the host's environment is in a worker."""


class SpawnError(CapsuleError):
    """No worker process can be had."""


class Process(Protocol):
    """A zygote's process, as `subprocess` has it."""

    def poll(self) -> int | None:
        """What it ended with, None while it lives."""

    def send_signal(self, sig: int, /) -> None:
        """Sends a signal, unless it has ended."""

    def wait(self) -> int:
        """Waits for its end."""


class Forked:
    """A zygote that was forked from this process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """What it ended with, None while it lives."""
        return self._code if self._code is not None else self._waited(os.WNOHANG)

    def send_signal(self, sig: int, /) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self._pid, sig)

    def wait(self) -> int:
        """Waits for its end."""
        code = self._code if self._code is not None else self._waited(0)
        assert code is not None
        return code

    def _waited(self, options: int) -> int | None:
        try:
            pid, status = os.waitpid(self._pid, options)
        except ChildProcessError:  # somebody else has waited for it
            pid, status = self._pid, 0
        if pid:
            self._code = os.waitstatus_to_exitcode(status)
        return self._code


class Spawner:
    """Starts workers. Safe to use from any thread; the first use starts the zygote."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._channel: socket.socket | None = None
        self._ready = False
        self._loaded: set[str] = set()

    def start(self) -> None:
        """Starts the zygote, unless it was started before, and does not wait for it. Raises `SpawnError`."""
        if self._process is None:
            with self._lock:
                self._started()

    def use(self, channel: socket.socket, process: Process) -> None:
        """Uses a zygote that is there already; when it ends, another one is started as ever."""
        with self._lock:
            self._stop()
            self._channel, self._process = channel, process

    def spawn(
        self,
        channel: socket.socket,
        code: str,
        file: int,
        folders: Sequence[tuple[int, bool]],
        *,
        holds: bool = False,
    ) -> int:
        """Forks a worker that serves ``channel``; gives its process id. With ``holds`` it is a session's.

        ``file`` is a descriptor of the compiled code called ``code``; ``folders`` are descriptors of what it
        may reach, and whether it may write there. Raises `SpawnError`.
        """
        with self._lock:
            with_code = code not in self._loaded
            message = {
                "code": code,
                "with_code": with_code,
                "writable": [writable for _, writable in folders],
                "holds": holds,
            }
            descriptors = [channel.fileno(), *([file] if with_code else []), *(fd for fd, _ in folders)]
            answer = self._ask(message, descriptors)
            pid = answer.get("pid")
            if not isinstance(pid, int):
                raise SpawnError(f"no worker process can be started: {answer.get('error')}")
            self._loaded.add(code)
            return pid

    def adopt(self, pid: int) -> bool:
        """Whether ``pid`` is a copy that a session's worker has left; from now on it is a worker itself."""
        with self._lock:
            try:
                return self._ask({"adopt": pid}, [], restart=False).get("adopted") is True
            except SpawnError:
                return False

    def end(self, pid: int) -> int | None:
        """Kills a worker and says how it ended, as `os.wait` does; None when that is not known."""
        with self._lock:
            if self._process is None:
                return None
            try:
                status = self._ask({"end": pid}, [], restart=False).get("status")
            except SpawnError:
                return None
            return status if isinstance(status, int) else None

    def close(self) -> None:
        """Ends the zygote, and with it every worker."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """Leaves the zygote to the process that we were forked from."""
        if self._channel is not None:
            self._channel.close()
        self.__init__()  # type: ignore[misc]  # the lock may be held by a thread that isn't here

    def _ask(
        self, message: dict[str, object], descriptors: Sequence[int], *, restart: bool = True
    ) -> dict[str, object]:
        if restart:
            self._started()
        channel = self._channel
        if channel is None:
            raise SpawnError("no worker process can be started")
        try:
            if not self._ready:
                channel.settimeout(START_SECONDS)
                greeting = passing.receive(channel)
                if greeting is None or "ready" not in greeting[0]:
                    said = "it ended at once" if greeting is None else greeting[0].get("error")
                    raise SpawnError(
                        f"the process that starts workers did not start: {said}",
                        hint='isolation="thread" (or CAPSULE_ISOLATION=thread) runs tasks without workers',
                    )
                self._ready = True
                channel.settimeout(ANSWER_SECONDS)
            passing.send(channel, message, descriptors)
            received = passing.receive(channel)
        except SpawnError:
            self._stop()
            raise
        except (OSError, ValueError) as error:
            self._stop()
            raise SpawnError(f"the process that starts workers does not answer: {error}") from None
        if received is None:
            self._stop()
            raise SpawnError("the process that starts workers has ended")
        return dict(received[0])

    def _started(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._stop()
        check_wasmtime(wasmtime_version())
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-c", BOOT, str(theirs.fileno()), str(os.getpid()), *_import_paths()]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={
                    VARIABLE: str(ARENAS),
                    **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
                },
                cwd="/",
            )
        except OSError as error:
            ours.close()
            raise SpawnError(
                f"{sys.executable or 'Python'} can't be started for workers: {error.strerror or error}",
                hint='isolation="thread" (or CAPSULE_ISOLATION=thread) runs tasks without workers',
            ) from None
        finally:
            theirs.close()
        self._channel = ours

    def _stop(self) -> None:
        channel, process = self._channel, self._process
        self._channel = self._process = None
        self._ready = False
        self._loaded = set()
        if channel is not None:
            channel.close()
        if process is not None:
            process.send_signal(signal.SIGKILL)  # its workers die with it
            process.wait()


_making = threading.Lock()


def spawner() -> Spawner:
    """The spawner of this process. A process that is forked from it gets one of its own."""
    with _making:  # many threads may be the first
        return _spawner()


@lru_cache(maxsize=1)
def _spawner() -> Spawner:
    made = Spawner()
    os.register_at_fork(after_in_child=lambda: _forget(made))
    return made


def _forget(inherited: Spawner) -> None:
    global _making
    _making = threading.Lock()
    inherited.forget()
    _spawner.cache_clear()


def start_early() -> None:
    """Starts the zygote for a command that is going to run a task, while the command itself still starts.

    Whatever is wrong is said when a worker is needed.
    """
    with suppress(CapsuleError, ImportError):
        if chosen_isolation(None) == "process":
            spawner().start()


def _import_paths() -> list[str]:
    """Where this capsule and what it needs were imported from, for an interpreter that can't find them."""
    import capsule

    names = ("capsule", "capsule_cache", "wasmtime")
    files = [getattr(sys.modules.get(name, capsule), "__file__", None) for name in names]
    return list(dict.fromkeys(str(Path(file).absolute().parent.parent) for file in files if file))
