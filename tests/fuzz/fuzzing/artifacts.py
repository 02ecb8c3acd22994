"""What comes in a file from elsewhere: artifacts, their manifests and signatures, keys, settings."""

from __future__ import annotations

import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from capsule.artifact.manifest import manifest_from_json, manifest_to_json
from capsule.artifact.sections import Artifact, append_signature, pack, parse, signed_part
from capsule.artifact.signature import read_signatures, write_signatures
from capsule.artifact.signing import (
    Requirement,
    SigningKey,
    holds_private_key,
    key_id,
    read_public_keys,
    read_signing_key,
    sign,
    verify,
)
from capsule.errors import ArtifactError, ConfigError, UsageError
from capsule.policy.options import OPTIONS
from capsule.project.config import load_config
from capsule.project.environment import environment
from fuzzing.target import JSON, TARGETS, scratch, target

SECTIONS = (
    b"\0asm\x0d\x00\x01\x00",
    b"\x00\x11\x10capsule:manifest",
    b"\x00\x0f\x0ecapsule:engine",
    b"\x00\x10\x0fcapsule:program",
    b"\x00\x12\x11capsule:signature",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x10",
    b"\x80\x00",
    b"\xff\xff\xff\xff",
    b'{"entries":{},"files":{"a":[0,1]}}',
    b'{"entries":{},"files":{"../../a":[0,0],"/a":[0,0]}}',
)
FIELDS = tuple(f'"{name}"'.encode() for name in (*OPTIONS, "origins", "tasks", "policy"))


@target(ArtifactError, tokens=SECTIONS + FIELDS + JSON)
def artifact(data: bytes) -> None:
    """Whatever is taken says the same when it is written anew, and unpacks to no more than it is."""
    found = parse(data, name="x.wasm")
    table = found.table()
    if table is not None:
        assert sum(len(content) for _, content in table.files()) <= len(data)
    again = pack(found.manifest, component=found.component, engine=found.engine, program=found.program)
    if found.signatures:
        again = append_signature(again, found.signatures)
    assert parse(again, name="x.wasm") == found
    content, signatures = signed_part(data, name="x.wasm")
    assert signatures == found.signatures
    # A signature covers every byte that is not its own section.
    assert not signatures or append_signature(bytes(content), signatures) == data


@target(ArtifactError, ValueError, RecursionError, tokens=FIELDS + JSON)
def manifest(data: bytes) -> None:
    """A manifest that is taken can be written, and read again; only reading the JSON may raise otherwise."""
    value = json.loads(data)
    if not isinstance(value, dict):
        return
    try:
        found = manifest_from_json(value)
    except ArtifactError:
        return
    except Exception as error:
        raise AssertionError("no ArtifactError") from error
    assert manifest_from_json(json.loads(json.dumps(manifest_to_json(found)))) == found


@target(ArtifactError, tokens=(b"\x01\x01", b"\x01\x10", b"\x01\x00", b"\x02", b"\x00" * 80, b"\xff" * 80))
def signature(data: bytes) -> None:
    """There is one way to write what is taken."""
    assert write_signatures(read_signatures(data, name="x.wasm")) == data


@cache
def _signer() -> tuple[SigningKey, Requirement]:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key()
    return SigningKey(key_id(public), private), Requirement("the fuzzer", {key_id(public): public})


@cache
def _signed() -> tuple[tuple[Artifact, bytes], ...]:
    key, _ = _signer()
    found = []
    for seed in TARGETS["artifact"].seeds:
        try:
            content, _before = signed_part(seed, name="x.wasm")
            found.append((parse(bytes(content), name="x.wasm"), sign(bytes(content), [key], name="x.wasm")))
        except ArtifactError:
            continue
    return tuple(found)


@target(ArtifactError, tokens=SECTIONS)
def signed(data: bytes) -> None:
    """The input is an edit of a signed artifact: position, bytes cut, bytes put in. What still passes is as
    it was signed."""
    artifacts = _signed()
    if len(data) < 4:
        return
    which, cut = data[0] % len(artifacts), data[3]
    original, whole = artifacts[which]
    at = int.from_bytes(data[1:3], "little") % (len(whole) + 1)
    changed = whole[:at] + data[4:] + whole[at + cut :]
    _, requirement = _signer()
    assert verify(changed, [requirement], name="x.wasm") == tuple(requirement.keys)
    found = parse(changed, name="x.wasm")
    assert (found.manifest, found.engine, found.program, found.component) == (
        original.manifest,
        original.engine,
        original.program,
        original.component,
    )


PEM = (
    b"-----BEGIN PUBLIC KEY-----",
    b"-----END PUBLIC KEY-----",
    b"-----BEGIN PRIVATE KEY-----",
    b"-----END PRIVATE KEY-----",
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    b"MCowBQYDK2VwAyEA",
    b"\n",
    b"A" * 64,
)


@target(UsageError, tokens=PEM, cost=2)
def key_file(data: bytes) -> None:
    """A file of keys is read as public keys or as a private one, never as both."""
    with scratch(data, "x.pub") as file:
        if holds_private_key(file):
            read_signing_key(file)
        else:
            assert read_public_keys(file)


TOML = (
    b"[workflow]\n",
    b"[tasks]\n",
    b"[limits]\n",
    b"[secrets]\n",
    b"[workspace]\n",
    b"[signatures]\n",
    b"[cache]\n",
    b"[python]\n",
    b"[[tasks]]\n",
    b"default_ram = ",
    b"default_allowed_hosts = ",
    b"on_exceed = ",
    b"total_timeout = ",
    b"members = ",
    b"required = ",
    b"= { env = ",
    b"hosts = [",
    b'"""',
    b"'''",
    b"1979-05-27T07:32:00Z",
    b"0x",
    b"inf",
    b"nan",
    b"a.b.c = ",
    b"\\u0000",
    b"#",
)


@target(ConfigError, tokens=TOML, cost=2)
def settings(data: bytes) -> None:
    """``capsule.toml`` is settings, or an error with a place."""
    with scratch(data, "capsule.toml") as file:
        try:
            load_config(file, file.parent)
        except ConfigError as error:
            if error.location is None:
                raise AssertionError("an error without a place") from error
            raise


@target(ConfigError, tokens=(b"export ", b"=", b"'", b'"', b"\\", b"${HOME}", b"$HOME", b"#", b"\n"), cost=2)
def dotenv(data: bytes) -> None:
    """A ``.env`` gives names and values, and none that an environment can't hold."""
    with scratch(data, ".env") as file:
        for value in environment(file.parent).select(["CAPSULE_FUZZ_A", "CAPSULE_FUZZ_B"]).values():
            assert "\0" not in value
            value.encode()
