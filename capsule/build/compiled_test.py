from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path

import pytest
import wasmtime
from capsule_cache import derive_key
from wasmtime.component import Component

from capsule.build import compiled
from capsule.build.compiled import code_file, compiled_component
from capsule.errors import ArtifactError
from capsule.project.user_cache import user_store
from capsule.runtime.engine import compiled_code_tag


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPSULE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def identity() -> dict[str, str]:
    return {"component": uuid.uuid4().hex}


def empty() -> bytes:
    return bytes(wasmtime.wat2wasm("(component)"))


def quiet(message: str) -> None:
    """Progress that nobody wants."""


def test_one_component_that_takes_long_holds_up_no_other() -> None:
    reading, go_on = threading.Event(), threading.Event()
    made: list[Component] = []

    def slowly() -> bytes:
        reading.set()
        assert go_on.wait(60)
        return empty()

    slow = threading.Thread(
        target=lambda: made.append(compiled_component(identity(), slowly, name="slow", progress=quiet))
    )
    slow.start()
    try:
        assert reading.wait(60)
        assert isinstance(compiled_component(identity(), empty, name="quick", progress=quiet), Component)
        assert not made
    finally:
        go_on.set()
        slow.join()
    assert made


def test_a_component_that_many_ask_for_at_once_is_compiled_once() -> None:
    wanted = identity()
    said: list[str] = []
    together = threading.Barrier(8)
    made: list[Component] = []

    def ask() -> None:
        together.wait()
        made.append(compiled_component(wanted, empty, name="one", progress=said.append))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len({id(component) for component in made}) == 1
    assert said == ["compiling one for this machine (once; then it runs)"]


def test_code_that_is_in_the_cache_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = identity()
    first = compiled_component(wanted, empty, name="one", progress=quiet)
    monkeypatch.setattr(compiled, "_loaded", {})

    def never() -> bytes:
        raise AssertionError("read again")

    again = compiled_component(wanted, never, name="one", progress=quiet)
    assert code_file(first) == code_file(again)


def test_code_of_another_machine_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """wasmtime checks what its code was made for: a cache folder may be shared by machines."""
    wanted = identity()
    file = code_file(compiled_component(wanted, empty, name="one", progress=quiet))
    assert file is not None
    monkeypatch.setattr(compiled, "_loaded", {})
    user_store("compiled").put(
        derive_key(
            format_version=compiled.FORMAT_VERSION,
            toolchain=compiled_code_tag(),
            digests=wanted,
        ),
        b"\x7fELF of another machine",
        name="one",
        suffix=".cwasm",
    )
    component = compiled_component(wanted, empty, name="one", progress=quiet)
    assert code_file(component) == file


def test_a_component_that_could_not_be_compiled_can_be_tried_again() -> None:
    wanted = identity()
    with pytest.raises(ArtifactError):
        compiled_component(wanted, lambda: b"junk", name="one", progress=quiet)
    assert isinstance(compiled_component(wanted, empty, name="one", progress=quiet), Component)


def test_without_a_folder_to_keep_it_in_code_is_made_and_used(cache: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    user_store("x")  # makes the key
    (cache / "compiled").mkdir(mode=0o500)
    component = compiled_component(identity(), empty, name="one", progress=quiet)
    assert code_file(component) is None
