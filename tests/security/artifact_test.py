"""Attacks by a ``.wasm`` from elsewhere: its sections, its manifest, and its code are all hostile."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
import wasmtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capsule import CapsuleError, run_sync
from capsule.artifact.manifest import manifest_to_json
from capsule.artifact.sections import COMPONENT_HEADER, ProgramTable, pack, pack_program, parse
from capsule.build.loading import unpack_files
from capsule.cli.trace import report
from capsule.errors import ArtifactError
from capsule.frontend.spec import Program
from capsule.launch.journals import close_journals


def leb(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def section(name, content):
    body = leb(len(name)) + name.encode() + content
    return b"\0" + leb(len(body)) + body


@pytest.fixture
def good(hostile):
    return pack(hostile.manifest(), component=bytes(wasmtime.wat2wasm(hostile.text())))


@pytest.fixture
def run(project):
    """Runs bytes as an artifact."""

    def run(data, **more):
        path = project / "main.wasm"
        path.write_bytes(data)
        return run_sync(path, cwd=project.root, **more)

    return run


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_byte_of_an_artifact_changed(good, data):
    """The reader says what is wrong, or reads something: nothing else ever comes out of it."""
    mutated = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not mutated:
            break
    try:
        artifact = parse(bytes(mutated), name="x.wasm")
        if artifact.program is not None:
            ProgramTable(artifact.program)
    except ArtifactError:
        pass


def test_a_hundred_broken_artifacts_leave_the_host_as_it_was(good, run):
    """Mutations all over the component's own bytes, compiled and run: each is an error or an outcome."""
    for number in range(100):
        at = 8 + number * (len(good) - 8) // 100
        mutated = good[:at] + bytes([good[at] ^ (1 << number % 8)]) + good[at + 1 :]
        try:
            envelope = run(mutated, limits={"total_timeout": "2s"})
        except CapsuleError:
            continue
        assert envelope.success or isinstance(envelope.error["message"], str)
    assert run(good).result == 1


@pytest.mark.parametrize(
    "tail",
    [
        section("capsule:manifest", b"{}"),
        section("capsule:manifest", b"[" * 100_000),
        section("capsule:manifest", b"\xff\xfe"),
        section("capsule:engine", b'{"name":"python","version":"1","key":"x"}'),
        section("capsule:program", b""),
        section("capsule:unknown", b"") * 2,
        section("capsule:signature", b""),
        section("capsule:signature", b"\x01\x01" + b"x" * 79),
        section("capsule:signature", b"\x01\xff" + b"x" * 80 * 255),
        section("capsule:signature", b"\x01\x01" + b"x" * 80) * 2,
        section("capsule:signature", b"\x01\x01" + b"x" * 80) + section("capsule:program", b""),
        b"\x00\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\x00\x05\xff\xff\xff\xff\x7f",
        COMPONENT_HEADER,
        b"\x04\x08" + COMPONENT_HEADER,
    ],
)
def test_more_behind_the_sections(good, run, tail):
    with pytest.raises(CapsuleError):
        run(good + tail)


def test_a_manifest_hidden_in_a_nested_component_is_none(hostile, run):
    hidden = pack(hostile.manifest(), component=bytes(wasmtime.wat2wasm("(component)")))
    with pytest.raises(CapsuleError, match="without a capsule manifest"):
        run(COMPONENT_HEADER + b"\x04" + leb(len(hidden)) + hidden)


@pytest.mark.parametrize("count", [100_000])
def test_a_bomb_of_sections(hostile, run, count):
    data = COMPONENT_HEADER + section("x", b"") * count
    with pytest.raises(CapsuleError):
        run(data)


def edited(good, change):
    """The artifact with another manifest."""
    artifact = parse(good, name="x")
    value = manifest_to_json(artifact.manifest)
    change(value)
    return artifact.component + section("capsule:manifest", json.dumps(value).encode())


def policy(option, value):
    def change(manifest):
        manifest["tasks"]["main"]["policy"][option] = value

    return change


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("compute", -1),
        ("compute", 2**64),
        ("compute", 1e300),
        ("compute", True),
        ("ram", -5),
        ("ram", "lots"),
        ("timeout", -1),
        ("timeout", float("nan")),
        ("timeout", 1e308),
        ("max_retries", 10**12),
        ("allowed_files", [{"path": "../x", "writable": True}]),
        ("allowed_files", [{"path": "/etc", "writable": False}]),
        ("allowed_files", [{"path": "a/../../b", "writable": True}]),
        ("allowed_files", [{"path": "a\0b", "writable": True}]),
        ("allowed_files", "everything"),
        ("allowed_hosts", ["http://user@host/"]),
        ("allowed_hosts", [1]),
        ("env_variables", ["A=B"]),
        ("env_variables", ["A\0B"]),
        ("env_variables", {"PATH": 1}),
        ("unknown", 1),
    ],
)
def test_a_policy_that_no_source_could_declare(good, run, option, value):
    policies = parse(good, name="x")
    value_before = manifest_to_json(policies.manifest)["tasks"]["main"]["policy"]
    assert option in str(value_before) or option == "unknown"
    with pytest.raises(CapsuleError):
        run(edited(good, lambda m: _set(m["tasks"]["main"]["policy"], option, value)))


def _set(serial, option, value):
    target = serial
    while isinstance(target.get("policy"), dict):
        target = target["policy"]
    target[option] = value


def test_a_claimed_policy_stays_under_the_ceilings(component, hostile, project):
    path = component(hostile.text("(loop br 0)"), compute=10**15, timeout=None)
    envelope = run_sync(path, cwd=project.root, limits={"compute": 1_000_000})
    assert envelope.error["error_type"] == "out_of_fuel"


def test_a_claim_that_passes_itself_off_as_built_in_is_refused_like_any_other(good, run):
    """Under "refuse", built-in values are cut; an artifact says itself where its values came from."""

    def greedy(manifest):
        policy = manifest["tasks"]["main"]["policy"]
        policy["env_variables"] = ["PATH"]
        policy["origins"] = dict.fromkeys(policy["origins"], "built-in")

    with pytest.raises(CapsuleError, match=r"env_variables = .* is over the ceiling"):
        run(edited(good, greedy), limits={"env_variables": [], "on_exceed": "refuse"})


def test_a_signature_that_nobody_made_asks_for_nothing_and_proves_nothing(good, run, project, cli, said):
    """Whoever requires none runs the file; whoever does is not taken in by an id that everybody knows."""
    assert cli("keys", "new", "k").status == 0
    key_id = bytes.fromhex(cli("keys", "show", "k.pub").stdout.strip())
    forged = good + section("capsule:signature", b"\x01\x01" + key_id + bytes(64))
    assert run(forged).unwrap() == 1
    (project / "main.wasm").write_bytes(forged)
    done = cli("exec", "main.wasm", "--require-signature", "k.pub")
    said(done, "changed after it was signed", status=2)
    assert done.stdout == ""


def test_a_claimed_grant_over_what_decides_the_next_run(hostile, project, component):
    from capsule.policy.model import FileGrant

    path = component(hostile.text(), allowed_files=(FileGrant(".", True),))
    with pytest.raises(CapsuleError, match="decides what runs next"):
        run_sync(path, cwd=project.root)


@pytest.mark.parametrize(
    "name",
    [
        "main\x1b]0;owned\x07",
        "\ud800",
        "a\nb",
        "../../x",
        "'; drop table runs; --",
        "x" * 100_000,
        "\u202eniam",
        "",
    ],
)
def test_hostile_names_of_tasks(good, run, project, cli, name):
    """They reach the journal, thread names, error messages and the terminal, and break none of them."""

    def rename(manifest):
        manifest["tasks"] = {name: manifest["tasks"]["main"]}

    data = edited(good, rename)
    with suppress(CapsuleError):
        assert run(data, task=name).result == 1
    (project / "main.wasm").write_bytes(data)
    done = cli("tasks", "main.wasm")
    assert "Traceback" not in done.stderr, done.stderr
    close_journals()
    with suppress(CapsuleError):  # a name that can't be printed is refused before anything is recorded
        report(project.root, None, limit=5, json=False, output=True, colour=False)


@pytest.mark.parametrize("field", ["source", "key", "frontend", "frontend_version"])
def test_hostile_facts_of_the_manifest(good, run, project, cli, field):
    for value in ("\x1b[31m\ud800", "../" * 500, None, 5, "x" * 5000):
        data = edited(good, lambda manifest, value=value: manifest.__setitem__(field, value))
        try:
            assert run(data).result == 1
        except CapsuleError:
            continue
    assert "Traceback" not in cli("trace").stderr


# Programs


@pytest.mark.parametrize(
    "path",
    [
        "../up",
        "/etc/cron.d/x",
        "a/../../up",
        "..",
        "a\\..\\..\\up",
        "a\0b",
        "",
        ".",
        "x" * 300,
        "a/" * 3000 + "b",
    ],
)
def test_a_program_s_file_that_leaves_its_folder(user_cache, path):
    packed = pack_program(Program({}, {path: b"planted"}))
    with pytest.raises(ArtifactError):
        unpack_files(ProgramTable(packed), packed)
    assert not (user_cache / "up").exists()


def test_a_program_s_file_inside_of_another(user_cache):
    packed = pack_program(Program({}, {"a": b"1", "a/b": b"2"}))
    with pytest.raises(ArtifactError):
        unpack_files(ProgramTable(packed), packed)


def index(value, blob=b""):
    head = json.dumps(value).encode()
    return len(head).to_bytes(4, "little") + head + blob


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f{}",
        index({}),
        index({"entries": [], "files": {}}),
        index({"entries": {}, "files": {"a": [0, 1]}}),
        index({"entries": {}, "files": {"a": [-1, 1]}}, b"xx"),
        index({"entries": {}, "files": {"a": [10**30, 1]}}, b"xx"),
        index({"entries": {}, "files": {"a": [True, 1]}}, b"xx"),
        index({"entries": {}, "files": {"a": [0.0, 1]}}, b"xx"),
    ],
)
def test_an_index_that_points_elsewhere(packed):
    with pytest.raises(ArtifactError):
        ProgramTable(packed)


def test_a_bomb_of_files_that_overlap():
    """A megabyte that unpacks to 50 GB: every file is the whole of it."""
    blob = bytes(1 << 20)
    files = {f"f{number}": [0, len(blob)] for number in range(50_000)}
    with pytest.raises(ArtifactError, match="more bytes than there are"):
        ProgramTable(index({"entries": {}, "files": files}, blob))


def test_unpacked_files_follow_no_link_that_was_planted(user_cache, tmp_path):
    """The folder is made anew under a name that nobody can guess, and renamed when it is complete."""
    packed = pack_program(Program({}, {f"planted-{os.getpid()}": b"x"}))
    folder = unpack_files(ProgramTable(packed), packed)
    assert folder.parent == user_cache / "files"
    assert folder.parent.stat().st_mode & 0o077 == 0


# Code


@pytest.mark.parametrize(
    "text",
    [
        '(component (core module $m) (export "run" (core module $m)))',
        '(component (instance $i) (export "run" (instance $i)))',
        '(component (type $t (record (field "a" u8))) (export "run" (type $t)))',
        "(component " + "(component " * 90 + ")" * 90 + ")",
        '(component (import "wasi:cli/environment@0.3.0" (instance)))',
        '(component (import "wasi:http/types@0.2.0" (instance)))',
        '(component (import "capsule:host/api" (instance)))',
        '(component (import "capsule:runtime/tasks@2.0.0" (instance)))',
    ],
)
def test_components_that_are_not_of_the_contract(hostile, run, text):
    data = pack(hostile.manifest(), component=bytes(wasmtime.wat2wasm(text)))
    try:
        envelope = run(data)
    except CapsuleError:
        return
    assert envelope.error["error_type"] == "crash"


def test_core_modules_and_modules_in_disguise(hostile, run):
    module = bytes(wasmtime.wat2wasm("(module)"))
    for data in (module, module + section("capsule:manifest", b"{}"), COMPONENT_HEADER + module):
        with pytest.raises(CapsuleError):
            run(data)


def test_native_code_in_the_place_of_an_artifact(run, user_cache):
    """What wasmtime has compiled is machine code: it is read from the user's cache, never from a project."""
    compiled = next((user_cache / "compiled").glob("*.cwasm")).read_bytes()
    with pytest.raises(CapsuleError, match="not a WebAssembly file"):
        run(compiled[: 1 << 20])


def test_native_code_inside_of_an_artifact(hostile, run, user_cache):
    compiled = next((user_cache / "compiled").glob("*.cwasm")).read_bytes()[: 1 << 16]
    with pytest.raises(CapsuleError):
        run(pack(hostile.manifest(), component=COMPONENT_HEADER + compiled))


def test_an_engine_s_program_without_its_engine(good, run):
    artifact = parse(good, name="x")
    reference = section("capsule:engine", b'{"name":"nobody","version":"1","key":"00"}')
    manifest_section = good[len(artifact.component) :]
    program = section("capsule:program", pack_program(Program({"main": "x"}, {})))
    with pytest.raises(CapsuleError, match="needs an engine"):
        run(COMPONENT_HEADER + manifest_section + reference + program)


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling", "device", "directory link"])
def test_an_artifact_that_is_no_file(project, cli, said, kind):
    path: Path = project / "main.wasm"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to({"dangling": "nowhere", "device": "/dev/zero", "directory link": "."}[kind])
    said(cli("exec", "main.wasm", timeout=20), status=2)


# Compiling


def bomb(rounds):
    """A component whose one function has a thousand variables that live through many loops."""
    body = b"\x01" + leb(1000) + b"\x7f"
    for number in range(rounds):
        one, two, three = (leb(number * factor % 1000) for factor in (1, 7, 13))
        body += b"\x03\x40\x20" + one + b"\x20" + two + b"\x6a\x21" + three + b"\x20" + one + b"\x0d\x00\x0b"
    body += b"\x0b"
    code = b"\x01" + leb(len(body)) + body
    module = b"\0asm\1\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a" + leb(len(code)) + code
    return COMPONENT_HEADER + b"\x01" + leb(len(module)) + module


def test_a_component_that_is_hard_to_compile(hostile, run, memory_grows_at_most, monkeypatch):
    """500 KB took 45 s and 3.7 GB of the caller; now it ends in a process of its own, at its bound."""
    monkeypatch.setenv("CAPSULE_COMPILE_RAM", "300MB")
    with (
        memory_grows_at_most(100 << 20),
        pytest.raises(CapsuleError, match="more memory to compile than 300 MiB"),
    ):
        run(pack(hostile.manifest(), component=bomb(40_000) + section("unique", os.urandom(8))))
