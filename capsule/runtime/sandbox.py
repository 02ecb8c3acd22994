"""One store, one instance, one call: a sandbox, never used again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from capsule.artifact.foreign import COMMAND_INTERFACE, Contract
from capsule.errors import ArtifactError
from capsule.runtime import ending  # noqa: F401  # from now on, the process ends in order
from capsule.runtime.engine import engine
from capsule.runtime.export import call_export
from capsule.runtime.foreign.answers import command_answer, runner_answer
from capsule.runtime.foreign.calls import CommandLine
from capsule.runtime.foreign.standard_streams import Kept, OutputPipe, give_stdin
from capsule.runtime.host.guest import Guest, enter
from capsule.runtime.imports import unlinked
from capsule.runtime.interrupt import arm, hand_over, rearm
from capsule.runtime.linker import copied_linker, linker
from capsule.runtime.preopens import Preopen, opened

if TYPE_CHECKING:
    from wasmtime.component import Component, Func
    from wasmtime.component import Instance as ComponentInstance

UNLIMITED_MEMORY = -1

LOAD_FUEL = 20_000_000_000
"""Fuel for a program's top level: importing large pure-Python packages takes some 5e9."""

LOAD_SECONDS = 60.0
"""Wall clock for instantiating a sandbox and running a program's top level."""

TABLE_ELEMENTS = 200_000
INSTANCES = 64
TABLES = 64
MEMORIES = 16


@dataclass(frozen=True, slots=True)
class Setting:
    """What a sandbox is made of and what it may use.

    ``ram`` is bytes, None for what wasm32 allows. ``until`` (`time.monotonic`) is when its run has to end,
    None for no such time: it bounds loading and running alike. ``ahead`` is whether a sandbox that was
    prepared ahead will do. ``opened`` is whether the folders' paths are those of open descriptors.
    ``copied`` is whether its process will be copied, so that its randomness must not lie in its memory.
    ``contract`` is how the component is called; ``command`` what a command is started with.
    """

    component: Component
    preopens: tuple[Preopen, ...]
    environment: Mapping[str, str]
    ram: int | None
    on_stdout: Callable[[bytes], None]
    on_stderr: Callable[[bytes], None]
    until: float | None = None
    ahead: bool = False
    opened: bool = False
    contract: Contract = Contract.TASK
    copied: bool = False
    command: CommandLine | None = None


class LoadFailed(Exception):
    """The program's top level raised: ``details`` is what the engine says of it, parsed but not trusted."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        super().__init__(str(details.get("message")))
        self.details = details


class Sandbox:
    """A fresh sandbox: made, loaded, called once and closed, on one thread at a time.

    ``load_fuel`` is for instantiating it and running the program's top level. Every method that enters the
    guest raises `wasmtime.WasmtimeError` for a trap.
    """

    def __init__(self, setting: Setting, guest: Guest, *, load_fuel: int = LOAD_FUEL) -> None:
        import wasmtime

        self._guest = guest
        self.load_seconds = 0.0
        self.load_fuel = 0
        self._granted = 0
        self._until = setting.until
        self._component = setting.component
        self._contract = setting.contract
        self._copied = setting.copied
        self._on_stdout = setting.on_stdout
        self._written: Kept | None = None
        self._pipes: tuple[OutputPipe, ...] = ()
        self._instance: ComponentInstance | None = None
        self.loaded = False
        """Whether the program's top level has come to its end."""
        started = time.monotonic()
        self._store = wasmtime.Store(engine())
        try:
            self._store.set_limits(
                memory_size=UNLIMITED_MEMORY if setting.ram is None else setting.ram,
                table_elements=TABLE_ELEMENTS,
                instances=INSTANCES,
                tables=TABLES,
                memories=MEMORIES,
            )
            self._refuel(load_fuel)
            guest.interrupt.deadline = self._deadline(LOAD_SECONDS)
            self._armed = arm(self._store, guest.interrupt)
            if setting.command is not None:
                self._written = Kept(setting.command.most)
            if setting.contract.foreign:
                take = setting.on_stdout if self._written is None else self._written.take
                self._pipes = (OutputPipe(take),)
                self._pipes += (OutputPipe(setting.on_stderr),)
            self._store.set_wasi(_wasi(setting, self._pipes))
        except BaseException:
            self.close()
            raise
        self.load_seconds = time.monotonic() - started

    def load(self) -> None:
        """Instantiates the component and runs the program's top level, under a budget of their own.

        Raises `LoadFailed`.
        """
        started = time.monotonic()
        try:
            instance = self._instantiated()
            function = instance.get_func(self._store, "load")
            # A component of its own needs no loading.
            failure = None if function is None else call_export(self._store, function)
        finally:
            self.load_seconds += time.monotonic() - started
            self.load_fuel = self.fuel_consumed()
        if failure is not None:
            try:
                details = json.loads(failure)
            except (ValueError, RecursionError):
                details = None
            raise LoadFailed(details if isinstance(details, dict) else {"message": str(failure)[:10_000]})
        self.loaded = True

    def adopt(self, guest: Guest, until: float | None) -> None:
        """Gives a sandbox that was loaded ahead to the run that uses it."""
        self._guest = guest
        self._until = until
        hand_over(self._armed, guest.interrupt)

    def run(self, call: str, *, fuel: int, seconds: float | None) -> str:
        """Calls the task, with its own fuel and time. Returns what the guest says."""
        match self._contract:
            case Contract.TASK:
                return str(self.call("run", call, fuel=fuel, seconds=seconds))
            case Contract.HOST:
                said = self.call("run", call, interface=Contract.HOST, fuel=fuel, seconds=seconds)
                return runner_answer(said)
            case Contract.COMMAND:
                return self._run_command(fuel, seconds)

    def _run_command(self, fuel: int, seconds: float | None) -> str:
        """Starts a command. What one that fails has written to stdout is output, like that of any task."""
        import wasmtime

        assert self._written is not None
        try:
            returned = self.call("run", interface=COMMAND_INTERFACE, fuel=fuel, seconds=seconds)
            code = 0 if returned.tag == "ok" else 1
        except wasmtime.ExitTrap as ended:
            code = ended.code
        except wasmtime.WasmtimeError:
            self._on_stdout(self._written.data)
            raise
        if code != 0:
            self._on_stdout(self._written.data)
        return command_answer(self._written.data, code)

    def call(
        self, export: str, *arguments: str, interface: str | None = None, fuel: int, seconds: float | None
    ) -> Any:
        """Calls an export that takes text. What it has written is handed on before this returns.

        Raises `LookupError` when there is none of that name.
        """
        instance = self._instantiated()
        self._refuel(fuel)
        self._guest.interrupt.deadline = self._deadline(seconds)
        rearm(self._store, self._guest.interrupt)
        function = self._function(instance, export, interface)
        if function is None:
            raise LookupError(no_export(export))
        try:
            return call_export(self._store, function, *arguments)
        finally:
            self._drain()

    def _drain(self) -> None:
        for pipe in self._pipes:
            pipe.drain()

    def _function(self, instance: ComponentInstance, name: str, interface: str | None) -> Func | None:
        if interface is None:
            return instance.get_func(self._store, name)
        within = instance.get_export_index(self._store, interface)
        index = None if within is None else instance.get_export_index(self._store, name, within)
        return None if index is None else instance.get_func(self._store, index)

    def _instantiated(self) -> ComponentInstance:
        """The instance, on this thread from now on. A component's start functions run in here.

        Raises `ArtifactError` when it imports a function that an interface of the linker's doesn't have.
        """
        import wasmtime

        enter(self._guest)
        if self._instance is None:
            try:
                chosen = copied_linker() if self._copied else linker()
                self._instance = chosen.instantiate(self._store, self._component)
            except wasmtime.WasmtimeError as error:
                missing = unlinked(str(error))
                if missing is None:
                    raise
                raise ArtifactError(
                    f"the component imports what this host does not offer: {missing}"
                ) from None
        return self._instance

    def fuel_consumed(self) -> int:
        """Fuel used since it was last filled up."""
        return self._granted - int(self._store.get_fuel())

    def _deadline(self, seconds: float | None) -> float | None:
        if seconds is None:
            return self._until
        own = time.monotonic() + seconds
        return own if self._until is None else min(own, self._until)

    def _refuel(self, fuel: int) -> None:
        self._granted = fuel
        self._store.set_fuel(fuel)

    def close(self) -> None:
        """Frees the sandbox's memory."""
        self._store.close()
        self._drain()


def no_export(name: str) -> str:
    """What is said of an export that isn't there."""
    return f"the component has no export {name!r}"


def _wasi(setting: Setting, pipes: tuple[OutputPipe, ...]) -> Any:
    import wasmtime

    wasi = wasmtime.WasiConfig()
    wasi.env = list(setting.environment.items())
    if setting.command is None:
        wasi.argv = ["task"]
    else:
        wasi.argv = list(setting.command.argv)
        give_stdin(wasi, setting.command.stdin)
    if pipes:
        wasi.stdout_file, wasi.stderr_file = (pipe.path for pipe in pipes)
    else:
        wasi.stdout_custom, wasi.stderr_custom = setting.on_stdout, setting.on_stderr
    for preopen in setting.preopens:
        with nullcontext(str(preopen.host)) if setting.opened else opened(preopen.host) as path:
            wasi.preopen_dir(path, preopen.guest, preopen.writable)
    return wasi
