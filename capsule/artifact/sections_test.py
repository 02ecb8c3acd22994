from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capsule.artifact.manifest import Manifest, Task
from capsule.artifact.sections import (
    COMPONENT_HEADER,
    CORE_MODULE_HEADER,
    EngineReference,
    ProgramTable,
    check_component,
    pack,
    pack_program,
    parse,
    split,
)
from capsule.errors import ArtifactError, Location
from capsule.frontend.spec import Program
from capsule.policy.model import FileGrant, Policy, TaskPolicy

POLICY = Policy(compute=7, ram=1 << 20, timeout=1.5, max_retries=2, allowed_files=(FileGrant("data", False),))
MANIFEST = Manifest(
    source="src/main.py",
    key="k" * 32,
    frontend="python",
    frontend_version="1.2",
    tasks={"main": Task("main", TaskPolicy(POLICY, {}), Location("src/main.py", 3))},
    workflow={"name": "w"},
)
ENGINE = EngineReference("python", "3.14", "e" * 32)
PROGRAM = Program({"main": "text \u00e9", "empty": ""}, {"data/a.bin": b"\0\xff", "b": b""})
THIN = pack(MANIFEST, engine=ENGINE, program=pack_program(PROGRAM))
COMPONENT = COMPONENT_HEADER + b"\x07\x01\x00"  # an empty type section


def test_what_is_packed_is_what_is_read():
    artifact = parse(THIN, name="a.wasm")
    assert artifact.manifest.source == "src/main.py"
    assert artifact.manifest.tasks["main"].declared.policy == POLICY
    assert artifact.manifest.tasks["main"].location == Location("src/main.py", 3)
    assert artifact.manifest.workflow == {"name": "w"}
    assert artifact.engine == ENGINE
    assert artifact.component == b""
    table = artifact.table()
    assert table is not None
    assert [table.entry(name) for name in ("main", "empty", "none")] == ["text \u00e9", "", None]
    assert dict(table.files()) == {"data/a.bin": b"\0\xff", "b": b""}
    assert table.has_files


def test_the_same_input_gives_the_same_bytes():
    turned = Program(dict(reversed(PROGRAM.entries.items())), dict(reversed(PROGRAM.files.items())))
    assert pack(MANIFEST, engine=ENGINE, program=pack_program(turned)) == THIN


def test_a_self_contained_artifact_is_the_component_followed_by_the_sections():
    data = pack(MANIFEST, component=COMPONENT, engine=ENGINE, program=pack_program(PROGRAM))
    assert data.startswith(COMPONENT)
    assert parse(data, name="a.wasm").component == COMPONENT
    component, sections = split(data, name="a.wasm")
    assert component == COMPONENT
    assert set(sections) == {"capsule:manifest", "capsule:engine", "capsule:program"}


def test_a_component_of_its_own_needs_no_engine():
    artifact = parse(pack(MANIFEST, component=COMPONENT), name="a.wasm")
    assert (artifact.engine, artifact.table(), artifact.component) == (None, None, COMPONENT)


def test_sections_of_others_are_part_of_the_component():
    theirs = COMPONENT + b"\0\x05\x04name"
    assert parse(pack(MANIFEST, component=theirs), name="a.wasm").component == theirs


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"text", "not a WebAssembly file"),
        (CORE_MODULE_HEADER, "core WebAssembly module"),
        (b"\0asm\x09\0\x01\0", "unknown version"),
        (COMPONENT, "without a capsule manifest"),
        (COMPONENT_HEADER + b"\0", "cut short"),
        (COMPONENT_HEADER + b"\0\x80", "cut short"),
        (COMPONENT_HEADER + b"\0\x05ab", "ends after the file"),
        (COMPONENT_HEADER + b"\0\xff\xff\xff\xff\xff\x01", "impossible size"),
        (COMPONENT_HEADER + b"\0\xff\xff\xff\xff\x7f", "impossible size"),
        (COMPONENT_HEADER + b"\0\x01\x05", "longer than itself"),
        (THIN + THIN[len(COMPONENT_HEADER) :], "twice"),
        (THIN + b"\x07\x01\x00", "something after"),
        (pack(MANIFEST), "nothing to run"),
        (pack(MANIFEST, engine=ENGINE), "brings no program"),
    ],
)
def test_anything_else_is_an_error_that_names_the_file(data, words):
    with pytest.raises(ArtifactError, match=words) as caught:
        parse(data, name="a.wasm")
    assert "a.wasm" in caught.value.message


def test_a_core_module_is_told_apart_before_anything_else():
    with pytest.raises(ArtifactError, match="core") as caught:
        check_component(CORE_MODULE_HEADER + b"\xff" * 10, name="a.wasm")
    assert "--export" in str(caught.value.hint)


@pytest.mark.parametrize(
    "index",
    [
        b"[]",
        b"{}",
        b'{"entries": {}}',
        b'{"entries": {"a": [0, 9]}, "files": {}}',
        b'{"entries": {"a": [-1, 1]}, "files": {}}',
        b'{"entries": {"a": [0]}, "files": {}}',
        b'{"entries": {"a": [0, true]}, "files": {}}',
        b'{"entries": {"a": 1}, "files": {}}',
        b'{"entries": [], "files": {}}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_program_index_that_is_wrong_is_an_error(index):
    with pytest.raises(ArtifactError):
        ProgramTable(len(index).to_bytes(4, "little") + index + b"xyz")


@pytest.mark.parametrize("section", [b"", b"\1\0\0", b"\xff\xff\xff\xff{}", b"\x09\0\0\0{}"])
def test_a_program_section_that_is_cut_short_is_an_error(section):
    with pytest.raises(ArtifactError, match="cut short"):
        ProgramTable(section)


def test_an_entry_that_is_not_text_is_an_error_when_it_is_asked_for():
    index = b'{"entries": {"a": [0, 1]}, "files": {}}'
    table = ProgramTable(len(index).to_bytes(4, "little") + index + b"\xff")
    with pytest.raises(ArtifactError, match="not text"):
        table.entry("a")


QUICK = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.binary(max_size=400))
def test_arbitrary_bytes_only_ever_raise_artifact_errors(data):
    for start in (b"", COMPONENT_HEADER, THIN):
        try:
            table = parse(start + data, name="a.wasm").table()
        except ArtifactError:
            continue
        assert table is None or isinstance(dict(table.files()), dict)


@QUICK
@given(st.lists(st.tuples(st.integers(0, len(THIN) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_mutated_artifacts_only_ever_raise_artifact_errors(changes):
    data = bytearray(THIN)
    for place, value in changes:
        data[place] = value
    try:
        table = parse(bytes(data), name="a.wasm").table()
        if table is not None:
            table.entry("main")
            list(table.files())
    except ArtifactError:
        pass


@QUICK
@given(st.integers(0, len(THIN) - 1))
def test_a_truncated_artifact_is_never_taken(length):
    with pytest.raises(ArtifactError):
        parse(THIN[:length], name="a.wasm")
