import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from capsule.artifact.manifest import Manifest, Task
from capsule.artifact.sections import pack, parse, signed_part
from capsule.artifact.signature import ID_BYTES, SIGNATURE_BYTES, Signature, read_signatures, write_signatures
from capsule.artifact.signing import Requirement, new_keys, read_public_keys, read_signing_key, sign, verify
from capsule.errors import ArtifactError, Location, UsageError
from capsule.policy.model import Policy, TaskPolicy

COMPONENT = b"\0asm\x0d\x00\x01\x00" + b"\x00\x05\x04name"


def artifact(name="main"):
    task = Task(name, TaskPolicy(Policy()), Location("main.py", 1))
    return pack(Manifest("main.py", "0" * 32, "python", "1", {name: task}, {}), component=COMPONENT)


@pytest.fixture
def keys(tmp_path):
    """Makes a pair of keys: its private key, and what asks for a signature by it."""

    def make(name="k"):
        private, public = tmp_path / f"{name}.key", tmp_path / f"{name}.pub"
        new_keys(private, public)
        return read_signing_key(private), Requirement(f"{name}.pub", read_public_keys(public))

    return make


# Keys


def test_a_private_key_is_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        key_id = new_keys(tmp_path / "a.key", tmp_path / "a.pub")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    assert read_signing_key(tmp_path / "a.key").key_id == key_id
    assert list(read_public_keys(tmp_path / "a.pub")) == [key_id]


@pytest.mark.parametrize("taken", ["a.key", "a.pub"])
@pytest.mark.parametrize("kind", ["file", "dangling link", "folder"])
def test_nothing_is_ever_overwritten(tmp_path, taken, kind):
    path = tmp_path / taken
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="never overwritten"):
        new_keys(tmp_path / "a.key", tmp_path / "a.pub")
    assert [one.name for one in tmp_path.iterdir()] == [taken]
    assert kind != "file" or path.read_text() == "mine"


def test_a_private_key_without_its_public_one_is_not_left_behind(tmp_path):
    with pytest.raises(UsageError, match="can't be written"):
        new_keys(tmp_path / "a.key", tmp_path / "nowhere" / "a.pub")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_private_key_that_others_can_read_is_refused(keys, tmp_path, mode):
    keys("a")
    (tmp_path / "a.key").chmod(mode)
    with pytest.raises(UsageError, match="others can read") as refused:
        read_signing_key(tmp_path / "a.key")
    assert "chmod 600" in refused.value.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "can't be read"),
        (b"x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_what_is_no_private_key_is_said_to_be_that(tmp_path, content, said):
    path = tmp_path / "a.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(UsageError, match=said):
        read_signing_key(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not hold public keys"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "can't be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "does not hold public keys"),
        (b"x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_what_is_no_public_key_is_said_to_be_that(tmp_path, content, said):
    path = tmp_path / "a.pub"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read_public_keys(path)


def test_a_public_key_does_not_sign_and_a_private_one_does_not_verify(keys, tmp_path):
    keys("a")
    with pytest.raises(UsageError, match="holds a public key"):
        read_signing_key(tmp_path / "a.pub")
    with pytest.raises(UsageError, match="is a private key"):
        read_public_keys(tmp_path / "a.key")


def test_keys_of_other_kinds_and_with_passwords_are_refused_by_what_they_are(keys, tmp_path):
    other = generate_private_key(SECP256R1())
    private, public = tmp_path / "ec.key", tmp_path / "ec.pub"
    private.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(UsageError, match="not an Ed25519 key"):
        read_signing_key(private)
    with pytest.raises(UsageError, match="not Ed25519"):
        read_public_keys(public)
    keys("a")
    key = load_pem_private_key((tmp_path / "a.key").read_bytes(), None)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(UsageError, match="password"):
        read_signing_key(private)


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo"])
def test_a_key_that_is_no_file_is_refused_and_never_waited_for(tmp_path, kind):
    path = tmp_path / "a.key"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    for read in (read_signing_key, read_public_keys):
        with pytest.raises(UsageError):
            read(path)


# Signatures


def test_what_was_signed_is_verified_and_read_as_before(keys):
    key, required = keys()
    data = artifact()
    signed = sign(data, [key], name="x")
    assert signed.startswith(data)
    assert verify(signed, [required], name="x") == (key.key_id,)
    assert [one.key_id for one in parse(signed, name="x").signatures] == [key.key_id]
    assert parse(signed, name="x").manifest == parse(data, name="x").manifest
    assert parse(data, name="x").signatures == ()


def test_the_same_artifact_and_key_give_the_same_bytes_in_any_order_of_keys(keys):
    (one, _), (two, _) = keys("a"), keys("b")
    data = artifact()
    assert sign(data, [one], name="x") == sign(data, [one], name="x")
    both = sign(data, [one, two], name="x")
    assert both == sign(data, [two, one], name="x")
    assert both == sign(sign(data, [two], name="x"), [one], name="x"), "one after the other"
    assert both == sign(both, [two], name="x"), "signing twice changes nothing"


def test_of_several_keys_each_requirement_needs_one(keys, tmp_path):
    (one, by_one), (two, by_two), (_, by_three) = keys("a"), keys("b"), keys("c")
    both = sign(artifact(), [one, two], name="x")
    assert set(verify(both, [by_one, by_two], name="x")) == {one.key_id, two.key_id}
    with pytest.raises(ArtifactError, match=r"c\.pub asks for"):
        verify(both, [by_one, by_three], name="x")
    only = sign(artifact(), [one], name="x")
    with pytest.raises(ArtifactError, match=r"b\.pub asks for"):
        verify(only, [by_one, by_two], name="x")
    (tmp_path / "any.pub").write_bytes((tmp_path / "b.pub").read_bytes() + (tmp_path / "a.pub").read_bytes())
    rotated = Requirement("any.pub", read_public_keys(tmp_path / "any.pub"))
    assert verify(only, [rotated], name="x") == (one.key_id,)


def test_a_missing_signature_and_another_key_s_are_told_apart(keys):
    (key, required), (other, _) = keys("a"), keys("b")
    with pytest.raises(
        ArtifactError, match=f"x is not signed, and a.pub asks for a signature by {key.key_id}"
    ):
        verify(artifact(), [required], name="x")
    with pytest.raises(
        ArtifactError, match=f"x is signed by {other.key_id}, and a.pub asks for {key.key_id}"
    ):
        verify(sign(artifact(), [other], name="x"), [required], name="x")


def test_the_signature_of_another_file_is_refused(keys):
    key, required = keys()
    signed, other = sign(artifact("main"), [key], name="x"), artifact("other")
    section = signed[len(signed_part(signed, name="x")[0]) :]
    with pytest.raises(ArtifactError, match="carries the signature of another file"):
        verify(other + section, [required], name="x")


def test_a_key_id_that_was_swapped_makes_no_signature(keys):
    (key, required), (other, _) = keys("a"), keys("b")
    signed = sign(artifact(), [other], name="x")
    forged = signed.replace(bytes.fromhex(other.key_id), bytes.fromhex(key.key_id))
    with pytest.raises(ArtifactError, match="changed after it was signed"):
        verify(forged, [required], name="x")


def test_any_byte_of_a_signed_artifact_changed_is_refused(keys):
    key, required = keys()
    signed = sign(artifact(), [key], name="x")
    for at in range(len(signed)):
        for bit in (1, 128):
            mutated = signed[:at] + bytes([signed[at] ^ bit]) + signed[at + 1 :]
            with pytest.raises(ArtifactError):
                verify(mutated, [required], name="x")


def test_a_signed_artifact_cut_anywhere_is_refused(keys):
    key, required = keys()
    signed = sign(artifact(), [key], name="x")
    for end in range(len(signed)):
        with pytest.raises(ArtifactError):
            verify(signed[:end], [required], name="x")


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (b"\0", "bytes after its signature"),
        (b"\x00\x05\x04name", "bytes after its signature"),
        (b"\xff" * 100, "bytes after its signature"),
        (b"\0asm\x0d\x00\x01\x00", "bytes after its signature"),
        ("again", "a second signature section"),
    ],
)
def test_what_is_appended_to_a_signature_is_refused(keys, tail, said):
    key, required = keys()
    signed = sign(artifact(), [key], name="x")
    if tail == "again":
        tail = signed[len(signed_part(signed, name="x")[0]) :]
    for read in (lambda data: verify(data, [required], name="x"), lambda data: parse(data, name="x")):
        with pytest.raises(ArtifactError, match=said):
            read(signed + tail)


def test_a_signature_that_was_moved_before_the_other_sections_is_refused(keys):
    key, required = keys()
    data = artifact()
    section = sign(data, [key], name="x")[len(data) :]
    with pytest.raises(ArtifactError, match="bytes after its signature"):
        verify(COMPONENT + section + data[len(COMPONENT) :], [required], name="x")


def test_lengths_written_the_long_way_are_refused(keys):
    """Bytes that nobody signed must not hide in how a number is written."""
    key, required = keys()
    signed = sign(artifact(), [key], name="x")
    content, _ = signed_part(signed, name="x")
    section = signed[len(content) :]
    assert section[1] < 0x80
    long = section[:1] + bytes([section[1] | 0x80, 0]) + section[2:]
    with pytest.raises(ArtifactError, match="not written as it should be"):
        verify(bytes(content) + long, [required], name="x")


def test_a_signature_of_something_else_by_the_same_key_is_none_of_an_artifact(keys):
    key, required = keys()
    data = artifact()
    content, _ = signed_part(data, name="x")
    plain = Signature(key.key_id, key.private.sign(bytes(content)))
    from capsule.artifact.sections import append_signature

    with pytest.raises(ArtifactError, match="changed after it was signed"):
        verify(append_signature(data, [plain]), [required], name="x")


def test_what_is_no_artifact_is_not_signed(keys):
    key, _ = keys()
    for data in (b"", b"text", b"\0asm\x01\x00\x00\x00", COMPONENT):
        with pytest.raises(ArtifactError):
            sign(data, [key], name="x")


def test_more_signatures_than_the_section_holds_are_refused(keys):
    many = [keys(f"k{number}")[0] for number in range(17)]
    assert len(parse(sign(artifact(), many[:16], name="x"), name="x").signatures) == 16
    with pytest.raises(ArtifactError, match="more than 16"):
        sign(artifact(), many, name="x")


# The section's content


signatures = st.builds(
    Signature,
    st.binary(min_size=ID_BYTES, max_size=ID_BYTES).map(bytes.hex),
    st.binary(min_size=SIGNATURE_BYTES, max_size=SIGNATURE_BYTES),
)


@given(st.lists(signatures, min_size=1, max_size=16, unique_by=lambda one: one.key_id))
def test_what_was_written_is_read(some):
    assert read_signatures(write_signatures(some), name="x") == tuple(sorted(some))


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=162).map(lambda rest: b"\x01\x02" + rest)))
def test_any_other_content_is_an_error_or_written_just_so(content):
    try:
        found = read_signatures(content, name="x")
    except ArtifactError:
        return
    assert write_signatures(found) == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut short"),
        (b"\x01", "cut short"),
        (b"\x01\x00", "cut short"),
        (b"\x01\x01" + bytes(79), "cut short"),
        (b"\x01\x01" + bytes(81), "cut short"),
        (b"\x01\x11" + bytes(80 * 17), "cut short"),
        (b"\x02\x01" + bytes(80), "version 2"),
        (b"\x01\x02" + bytes(160), "a key twice"),
        (b"\x01\x02" + b"\x02" * 80 + b"\x01" * 80, "out of order"),
    ],
)
def test_a_content_that_is_wrong_is_said_to_be(content, said):
    with pytest.raises(ArtifactError, match=said):
        read_signatures(content, name="x")
