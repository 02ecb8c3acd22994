from __future__ import annotations

import os
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.errors import BuildError
from capsule_js.bundle import Esbuild
from capsule_js.esbuild import Hook, Request, Response, decode_packet, encode_packet, run_build

FLAGS = (
    "--bundle",
    "--format=esm",
    "--platform=neutral",
    "--outfile=out.js",
    "--metafile",
    "--log-level=silent",
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 2**32 - 1)
    | st.text(st.characters(codec="utf-8"))
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.integers(0, 2**31 - 1), st.booleans(), values)
def test_what_is_encoded_is_decoded_to_the_same(identifier: int, is_answer: bool, value: object) -> None:
    packet = encode_packet(identifier, is_answer, value)
    assert int.from_bytes(packet[:4], "little") == len(packet) - 4
    assert decode_packet(packet[4:]) == (identifier, is_answer, value)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_packet_are_an_error_and_nothing_else(data: bytes) -> None:
    with suppress(ValueError):
        decode_packet(data)


@given(values, st.integers(0, 100))
def test_a_packet_that_is_cut_off_is_an_error(value: object, cut: int) -> None:
    packet = encode_packet(1, False, value)[4:]
    with pytest.raises(ValueError, match="packet"):
        decode_packet(packet[: cut % len(packet)])


def build(esbuild: Esbuild, folder: Path, entry: str, **hooks: tuple[Hook, ...]) -> Response:
    request = Request(entry, folder, folder, FLAGS, **hooks)
    return run_build(esbuild.program, esbuild.version, request, timeout=20)


def test_a_build_gives_the_bundle_and_what_went_into_it(esbuild: Esbuild, tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text("export const a: number = 42;")
    response = build(esbuild, tmp_path, 'import { a } from "./a"; console.log(a)')
    assert b"42" in response.outputs["out.js"]
    assert '"a.ts"' in response.metafile
    assert list(tmp_path.iterdir()) == [tmp_path / "a.ts"], "outputs are not written"


def test_hooks_decide_what_an_import_means(esbuild: Esbuild, tmp_path: Path) -> None:
    resolve = Hook("^thing$", lambda request: {"path": request["path"], "namespace": "mine"})
    load = Hook(".*", lambda request: {"contents": b"export default 'from the hook'", "loader": "js"}, "mine")
    response = build(esbuild, tmp_path, 'import x from "thing"; log(x)', resolve=(resolve,), load=(load,))
    assert b"from the hook" in response.outputs["out.js"]


def test_an_error_in_the_code_is_in_the_response_with_its_place(esbuild: Esbuild, tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text("\nlet x = ;")
    (error,) = build(esbuild, tmp_path, 'import "./a"').errors
    assert (error.file, error.line, error.column, error.line_text) == ("a.ts", 2, 8, "let x = ;")


def test_another_version_is_refused(esbuild: Esbuild, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="esbuild"):
        run_build(esbuild.program, "0.1.0", Request("", tmp_path, tmp_path, FLAGS), timeout=20)


def test_a_missing_program_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="can't be started"):
        run_build(tmp_path / "none", "1", Request("", tmp_path, tmp_path, FLAGS), timeout=20)


def program(folder: Path, script: str) -> Path:
    path = folder / "fake"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_program_that_says_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"took longer than 0\.2 seconds"):
        run_build(program(tmp_path, "sleep 20"), "1", Request("", tmp_path, tmp_path, FLAGS), timeout=0.2)


def children() -> str:
    """The command lines of this process's children; a zombie's is its name."""
    listed = subprocess.run(["ps", "-axo", "ppid=,args="], capture_output=True, text=True, check=True)
    own = (line.split(None, 1) for line in listed.stdout.splitlines())
    return "\n".join(words[-1] for words in own if words[0] == str(os.getpid()))


def test_a_program_that_talks_nonsense_is_an_error_for_people(tmp_path: Path) -> None:
    fake = program(tmp_path, r"printf '\001\000\000\0001'; printf '\004\000\000\000nope'; cat >/dev/null")
    with pytest.raises(BuildError, match="esbuild broke down"):
        run_build(fake, "1", Request("", tmp_path, tmp_path, FLAGS), timeout=20)
    assert str(fake) not in children()
