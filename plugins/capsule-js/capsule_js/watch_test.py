from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_js.bundle import Esbuild, make_bundle
from capsule_js.watch import Record, Watch, content_digest, load, save, watch

FILES = {
    "main.ts": 'import { a } from "./lib"; import p from "p"; import q from "@s/q"; console.log(a, p, q);'
    'export const later = () => [require("none"), require("./parts/later"), require("node:none")];',
    "lib/index.ts": "export const a = 1;",
    "tsconfig.json": '{"extends": "./base"}',
    "base.json": "{}",
    "package.json": "{}",
    "README.md": "",
    "node_modules/p/package.json": '{"main": "p.js"}',
    "node_modules/p/p.js": "export default 1;",
    "node_modules/@s/q/package.json": '{"main": "q.js"}',
    "node_modules/@s/q/q.js": "export default 1;",
    "node_modules/.package-lock.json": "{}",
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def settle() -> None:
    """Waits until the time stamps of what was just written lie safely in the past."""
    time.sleep(0.05)


@pytest.fixture
def noted(esbuild: Esbuild, tmp_path: Path) -> Record:
    write(tmp_path, FILES)
    settle()
    started = time.time_ns()
    bundle = make_bundle(tmp_path / "main.ts", tmp_path, esbuild)
    own = {name: content_digest(content) for name, content in bundle.own.items()}
    state = watch(bundle, tmp_path, started)
    assert state is not None
    return Record(content_digest(bundle.text.encode()), own, bundle.kept, (), bundle.notes, state)


def test_what_has_not_changed_still_holds(noted: Record, tmp_path: Path) -> None:
    assert noted.unchanged(tmp_path) == {
        "lib/index.ts": FILES["lib/index.ts"].encode(),
        "main.ts": FILES["main.ts"].encode(),
    }


def change(name: str, content: str = "// changed") -> Callable[[Path], object]:
    return lambda root: write(root, {name: content})


CHANGES = {
    "an own file": change("main.ts"),
    "an imported own file": change("lib/index.ts"),
    "an own file that is gone": lambda root: (root / "lib/index.ts").unlink(),
    "a file of a package": change("node_modules/p/p.js", "export default 2;"),
    "a package's package.json": change("node_modules/p/package.json", '{"main": "q.js"}'),
    "the project's package.json": change("package.json", '{"type": "module"}'),
    "tsconfig.json": change("tsconfig.json", '{"compilerOptions": {}}'),
    "what tsconfig.json extends": change("base.json", '{"compilerOptions": {}}'),
    "a new file that wins over a folder": change("lib.ts", "export const a = 2;"),
    "a new file that wins over another suffix": change("lib/index.tsx"),
    "a new tsconfig.json further in": change("lib/tsconfig.json", "{}"),
    "a new jsconfig.json": change("lib/jsconfig.json", "{}"),
    "a new node_modules further in": change("lib/node_modules/x/index.js"),
    "a package that is new": change("node_modules/z/index.js"),
    "a package that was missed": change("node_modules/none/index.js"),
    "a file that was missed": change("parts/later.ts"),
    "a package that is gone": lambda root: (root / "node_modules/@s/q").rename(root / "node_modules/@s/r"),
    "an installation": change("node_modules/.package-lock.json", '{"a": 1}'),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_may_change_the_bundle_is_noticed(noted: Record, tmp_path: Path, name: str) -> None:
    CHANGES[name](tmp_path)
    assert noted.unchanged(tmp_path) is None


def test_a_package_that_is_linked_elsewhere_is_noticed(esbuild: Esbuild, tmp_path: Path) -> None:
    write(tmp_path, {"main.ts": 'import "w";', "w1/index.ts": "", "w2/index.ts": "", "node_modules/x": ""})
    link = tmp_path / "node_modules/w"
    link.symlink_to("../w1")
    settle()
    started = time.time_ns()
    bundle = make_bundle(tmp_path / "main.ts", tmp_path, esbuild)
    state = watch(bundle, tmp_path, started)
    assert state is not None
    assert state.holds()
    link.unlink()
    link.symlink_to("../w2")
    assert not state.holds()


def test_a_new_file_in_a_workspace_package_above_the_project_is_noticed(
    esbuild: Esbuild, tmp_path: Path
) -> None:
    root = tmp_path / "app"
    package = '{"name": "w", "main": "src/index.ts"}'
    files = {"app/main.ts": 'import "w";', "w/package.json": package, "w/src/index.ts": 'import "./x";'}
    write(tmp_path, {**files, "w/src/x.ts": "", "node_modules/x": ""})
    (tmp_path / "node_modules/w").symlink_to("../w")
    settle()
    started = time.time_ns()
    state = watch(make_bundle(root / "main.ts", root, esbuild), root, started)
    assert state is not None
    assert state.holds()
    write(tmp_path, {"w/src/x.tsx": ""})
    assert not state.holds()


@pytest.mark.parametrize("name", ["README.md", "output.log", "lib/notes.md", ".hidden.ts", ".git/index"])
def test_a_change_that_has_nothing_to_do_with_it_is_not(noted: Record, tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: "changed"})
    assert noted.unchanged(tmp_path) is not None


def test_a_file_that_is_touched_but_the_same_still_holds(noted: Record, tmp_path: Path) -> None:
    os.utime(tmp_path / "main.ts")
    assert noted.unchanged(tmp_path) is not None


def test_what_changes_while_a_bundle_is_made_is_not_relied_on(esbuild: Esbuild, tmp_path: Path) -> None:
    write(tmp_path, FILES)
    settle()
    started = time.time_ns()
    bundle = make_bundle(tmp_path / "main.ts", tmp_path, esbuild)
    write(tmp_path, {"node_modules/p/p.js": "export default 2;"})
    assert watch(bundle, tmp_path, started) is None


def test_tsconfig_files_that_extend_each_other_end(esbuild: Esbuild, tmp_path: Path) -> None:
    (tmp_path / "main.ts").write_text("")
    settle()
    bundle = make_bundle(tmp_path / "main.ts", tmp_path, esbuild)
    write(tmp_path, {"tsconfig.json": '{"extends": ["./a", "./b.json"]}', "a.json": '{"extends": "./b"}'})
    write(tmp_path, {"b.json": '{"extends": "./a"}'})
    settle()
    state = watch(bundle, tmp_path, time.time_ns())
    assert state is not None
    assert {str(tmp_path / "a.json"), str(tmp_path / "b.json")} <= state.files.keys()


def test_a_record_is_read_as_it_was_written(noted: Record, tmp_path: Path) -> None:
    save(tmp_path / "record", noted)
    assert load(tmp_path / "record") == noted
    assert [path.name for path in tmp_path.glob("record*")] == ["record"]


def test_a_damaged_record_is_none(noted: Record, tmp_path: Path) -> None:
    file = tmp_path / "record"
    save(file, noted)
    data = file.read_bytes()
    for position in range(0, len(data), 97):
        file.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert load(file) is None
        file.write_bytes(data[:position])
        assert load(file) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "some-record"
    file.write_bytes(data)
    assert load(file) is None
    file.unlink()
    assert load(file) is None


def test_a_cache_that_can_not_be_written_is_no_error(noted: Record, tmp_path: Path) -> None:
    save(tmp_path / "no such folder" / "record", noted)


def test_contents_are_told_apart_by_their_bounds() -> None:
    assert content_digest(b"ab", b"c") != content_digest(b"a", b"bc")


def test_nothing_to_watch_always_holds() -> None:
    assert Watch({}, {}).holds()
