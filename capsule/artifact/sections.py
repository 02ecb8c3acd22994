"""Artifacts: component binaries that describe themselves.

An artifact is a valid component with custom sections after it: ``capsule:manifest`` always, and for
programs that need an engine ``capsule:engine`` and ``capsule:program``; a component of its own has the
latter for its files. ``capsule:signature``, where there is one, is the last (`capsule.artifact.signature`). A
*thin* artifact is an empty component with those sections: its engine is looked up by key. A
*self-contained* one starts with the engine's own bytes. Equal inputs give equal bytes.

Everything here reads hostile bytes: whatever is not exactly as written below is an `ArtifactError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from capsule.artifact.manifest import Manifest, manifest_from_json, manifest_to_json
from capsule.artifact.signature import SIGNATURE_SECTION, Signature, read_signatures, write_signatures
from capsule.errors import ArtifactError
from capsule.frontend.spec import Program

COMPONENT_HEADER = b"\0asm\x0d\x00\x01\x00"
CORE_MODULE_HEADER = b"\0asm\x01\x00\x00\x00"

MANIFEST_SECTION = "capsule:manifest"
ENGINE_SECTION = "capsule:engine"
PROGRAM_SECTION = "capsule:program"

LARGEST_ARTIFACT = 1 << 30
LARGEST_MANIFEST = 16 << 20
LARGEST_INDEX = 64 << 20


@dataclass(frozen=True, slots=True)
class EngineReference:
    """The engine that a program needs: ``key`` identifies its recipe."""

    name: str
    version: str
    key: str


class ProgramTable:
    """A program's entries and files, read lazily from the bytes of its section."""

    def __init__(self, section: bytes) -> None:
        if len(section) < 4:
            raise ArtifactError("the program section is cut short")
        length = int.from_bytes(section[:4], "little")
        if length > LARGEST_INDEX or 4 + length > len(section):
            raise ArtifactError("the program section is cut short")
        index = _json_object(section[4 : 4 + length], "program index")
        self.section = section
        self._blob = memoryview(section)[4 + length :]
        self._entries = self._spans(index.get("entries"))
        self._files = self._spans(index.get("files"))

    def _spans(self, value: object) -> dict[str, tuple[int, int]]:
        if not isinstance(value, dict):
            raise ArtifactError("the program index is not as it should be")
        spans = {}
        for name, span in value.items():
            if not (
                isinstance(span, list)
                and len(span) == 2
                and all(type(number) is int and number >= 0 for number in span)
                and span[0] + span[1] <= len(self._blob)
            ):
                raise ArtifactError(f"the program index is wrong about {name[:80]!r}")
            spans[name] = (span[0], span[1])
        # Spans that overlap would let a small artifact unpack to any size.
        if sum(size for _, size in spans.values()) > len(self._blob):
            raise ArtifactError("the program index names more bytes than there are")
        return spans

    def entry(self, name: str) -> str | None:
        """The text of an entry; None when there is none of that name."""
        span = self._entries.get(name)
        if span is None:
            return None
        try:
            return str(self._blob[span[0] : span[0] + span[1]], "utf-8")
        except UnicodeDecodeError:
            raise ArtifactError(f"the program's entry {name[:80]!r} is not text") from None

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The program's files: paths (as written: check them before use) and contents."""
        for name, (start, size) in self._files.items():
            yield name, bytes(self._blob[start : start + size])

    @property
    def has_files(self) -> bool:
        """Whether the program brings any files."""
        return bool(self._files)


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact, parsed. ``component`` is empty when the artifact is thin.

    ``signatures`` are claims until `capsule.artifact.signing.verify` has checked them.
    """

    manifest: Manifest
    engine: EngineReference | None
    program: bytes | None
    component: bytes
    signatures: tuple[Signature, ...] = ()

    def table(self) -> ProgramTable | None:
        """The program, for an engine's artifact."""
        return None if self.program is None else ProgramTable(self.program)


def pack_program(program: Program) -> bytes:
    """The content of a program section: index length, index (JSON), then all texts and files."""
    blob = bytearray()
    index: dict[str, dict[str, list[int]]] = {"entries": {}, "files": {}}
    for kind, items in (
        ("entries", {name: text.encode() for name, text in program.entries.items()}),
        ("files", program.files),
    ):
        for name in sorted(items):
            content = items[name]
            index[kind][name] = [len(blob), len(content)]
            blob += content
    head = json.dumps(index, separators=(",", ":"), sort_keys=True).encode()
    return len(head).to_bytes(4, "little") + head + bytes(blob)


def pack(
    manifest: Manifest,
    *,
    component: bytes = b"",
    engine: EngineReference | None = None,
    program: bytes | None = None,
) -> bytes:
    """An artifact's bytes: thin when ``component`` is empty."""
    parts = [component or COMPONENT_HEADER]
    parts.append(_section(MANIFEST_SECTION, _dump(manifest_to_json(manifest))))
    if engine is not None:
        reference = {"name": engine.name, "version": engine.version, "key": engine.key}
        parts.append(_section(ENGINE_SECTION, _dump(reference)))
    if program is not None:
        parts.append(_section(PROGRAM_SECTION, program))
    return b"".join(parts)


def parse(data: bytes, *, name: str) -> Artifact:
    """Reads an artifact. Raises `ArtifactError` for anything else; ``name`` is for its message."""
    component, sections = split(data, name=name)
    if MANIFEST_SECTION not in sections:
        raise ArtifactError(
            f"{name} is a component without a capsule manifest",
            hint="build it with 'capsule build --export', from its source",
        )
    if len(sections[MANIFEST_SECTION]) > LARGEST_MANIFEST:
        raise ArtifactError(f"the manifest of {name} is larger than {LARGEST_MANIFEST >> 20} MiB")
    manifest = manifest_from_json(_json_object(sections[MANIFEST_SECTION], "manifest"))
    engine = None
    if ENGINE_SECTION in sections:
        if PROGRAM_SECTION not in sections:
            raise ArtifactError(f"{name} names an engine but brings no program")
        engine = _engine_reference(_json_object(sections[ENGINE_SECTION], "engine section"))
    elif component == COMPONENT_HEADER:
        raise ArtifactError(f"{name} holds nothing to run")
    thin = component == COMPONENT_HEADER
    _, signatures = _signed_part(data, sections, name)
    return Artifact(manifest, engine, sections.get(PROGRAM_SECTION), b"" if thin else component, signatures)


def signed_part(data: bytes, *, name: str) -> tuple[memoryview, tuple[Signature, ...]]:
    """The bytes of an artifact that its signatures are about, and those signatures, unchecked.

    Raises `ArtifactError` for what is no artifact, and for a signature section that is not as it should be.
    """
    _, sections = split(data, name=name)
    if MANIFEST_SECTION not in sections:
        raise ArtifactError(
            f"{name} is a component without a capsule manifest, so it can't be signed",
            hint="only what 'capsule build --export' makes has a signature",
        )
    return _signed_part(data, sections, name)


def append_signature(content: bytes, signatures: Iterable[Signature]) -> bytes:
    """An artifact without a signature section, with one."""
    return content + _section(SIGNATURE_SECTION, write_signatures(signatures))


def _signed_part(
    data: bytes, sections: Mapping[str, bytes], name: str
) -> tuple[memoryview, tuple[Signature, ...]]:
    written = sections.get(SIGNATURE_SECTION)
    if written is None:
        return memoryview(data), ()
    # It is the last section (see `split`); its lengths, too, can be written in one way only.
    section = _section(SIGNATURE_SECTION, written)
    if not data.endswith(section):
        raise ArtifactError(f"the signature of {name} is not written as it should be")
    return memoryview(data)[: -len(section)], read_signatures(written, name=name)


def split(data: bytes, *, name: str) -> tuple[bytes, Mapping[str, bytes]]:
    """A component's own bytes, and the contents of our sections, which follow them.

    Raises `ArtifactError` when the bytes are not a component, are cut short, or hold one of our
    sections twice, or something else after them, or anything at all after a signature.
    """
    check_component(data, name=name)
    sections: dict[str, bytes] = {}
    end_of_component = len(data)
    at = len(COMPONENT_HEADER)
    while at < len(data):
        start = at
        if SIGNATURE_SECTION in sections:
            _refuse_after_signature(data[at:], name)
        identifier = data[at]
        size, at = _leb(data, at + 1, name)
        end = at + size
        if end > len(data):
            raise ArtifactError(f"{name} is cut short: a section ends after the file")
        ours = None
        if identifier == 0:
            length, begin = _leb(data, at, name)
            if begin + length > end:
                raise ArtifactError(f"{name} has a section whose name is longer than itself")
            label = data[begin : begin + length]
            if label.startswith(b"capsule:"):
                ours = label.decode("utf-8", "replace")
                if ours in sections:
                    raise ArtifactError(f"{name} has the section {ours!r} twice")
                sections[ours] = data[begin + length : end]
                end_of_component = min(end_of_component, start)
        if ours is None and sections:
            raise ArtifactError(f"{name} has something after its capsule sections")
        at = end
    return data[:end_of_component], sections


def _refuse_after_signature(rest: bytes, name: str) -> NoReturn:
    if SIGNATURE_SECTION.encode() in rest[:64]:
        raise ArtifactError(f"{name} has a second signature section")
    raise ArtifactError(
        f"{name} has {len(rest)} bytes after its signature, which nobody has signed",
        hint="get the file again from where it was made",
    )


def check_component(data: bytes, *, name: str) -> None:
    """Raises `ArtifactError`, saying what it is instead, for bytes that don't start as a component."""
    if len(data) > LARGEST_ARTIFACT:
        raise ArtifactError(f"{name} is larger than {LARGEST_ARTIFACT >> 20} MiB")
    if data.startswith(COMPONENT_HEADER):
        return
    if data.startswith(CORE_MODULE_HEADER):
        raise ArtifactError(
            f"{name} is a core WebAssembly module, not a component",
            hint="build it with 'capsule build --export', from its source",
        )
    if data.startswith(b"\0asm"):
        raise ArtifactError(f"{name} is WebAssembly of an unknown version")
    if not data:
        raise ArtifactError(f"{name} is empty")
    raise ArtifactError(f"{name} is not a WebAssembly file")


def _engine_reference(value: Mapping[str, object]) -> EngineReference:
    fields = {}
    for field in ("name", "version", "key"):
        text = value.get(field)
        if not isinstance(text, str) or not text or len(text) > 200:
            raise ArtifactError(f"the engine section has no usable {field!r}")
        fields[field] = text
    return EngineReference(**fields)


def _json_object(data: bytes, what: str) -> dict[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ArtifactError(f"the {what} is not JSON") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"the {what} is not a JSON object")
    return value


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _section(name: str, content: bytes) -> bytes:
    label = name.encode()
    body = _to_leb(len(label)) + label + content
    return b"\0" + _to_leb(len(body)) + body


def _to_leb(number: int) -> bytes:
    out = bytearray()
    while True:
        byte = number & 0x7F
        number >>= 7
        if number:
            out.append(byte | 0x80)
        else:
            out.append(byte)
            return bytes(out)


def _leb(data: bytes, at: int, name: str) -> tuple[int, int]:
    """An unsigned LEB128 number of at most 32 bits, and where it ends (WebAssembly core spec 5.2.2)."""
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            raise ArtifactError(f"{name} is cut short")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >= 1 << 32:
                break
            return number, at
    raise ArtifactError(f"{name} has a section of an impossible size")
