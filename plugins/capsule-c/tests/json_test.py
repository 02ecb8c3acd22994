"""The SDK's JSON, as sandboxes have it, beside Python's: the same documents, numbers and refusals."""

import json
import math
import re
import struct
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
import wasmtime
from capsule_c.toolchain import C_STANDARD, FIRST_SECONDS, TARGET, find_toolchain, include_folders, sdk_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.build.pipeline import BuildHost

PARTS = ("powers", "number", "text", "read", "real", "write", "value", "access")
EXAMPLES = settings(max_examples=300, deadline=None)


class Json:
    """The reader and writer, compiled as the runtime is."""

    def __init__(self, module: bytes) -> None:
        engine = wasmtime.Engine()
        self.store = wasmtime.Store(engine)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        self.store.set_wasi(wasmtime.WasiConfig())
        self.exports = linker.instantiate(self.store, wasmtime.Module(engine, module)).exports(self.store)
        self.memory = self.exports["memory"]

    def __call__(self, name, *arguments):
        return self.exports[name](self.store, *arguments)

    def place(self, data: bytes) -> int:
        at = self("allocate", len(data))
        self.memory.write(self.store, data, at)
        return at

    def parse(self, text: bytes) -> int:
        return self("parse", self.place(text), len(text))

    def print(self, value: int) -> bytes | None:
        at = self("print", value)
        return bytes(self.memory.read(self.store, at, at + self("size"))) if at else None

    def again(self, text: bytes) -> bytes | None:
        """The document as it is written after it was read; None when it is refused."""
        value = self.parse(text)
        return self.print(value) if value else None


@pytest.fixture(scope="session")
def module(user_cache, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("json")
    toolchain = find_toolchain(BuildHost("c", lambda message: None))
    source = sdk_folder() / "src"
    command = ["cc", *TARGET, C_STANDARD, "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]
    command += [f"-I{path}" for path in (*include_folders(), source)]
    command += [str(source / f"json_{part}.c") for part in PARTS]
    # The compiler reads its own folders and the one it works in, and no other.
    (scratch / "driver.c").write_text((Path(__file__).parent / "json_driver.c").read_text())
    command += ["driver.c", "-o", str(scratch / "json.wasm")]
    done = toolchain.run(command, cwd=scratch, scratch=scratch, timeout=FIRST_SECONDS)
    assert done.status == 0, done.output
    return (scratch / "json.wasm").read_bytes()


@pytest.fixture(scope="session")
def sandbox(module):
    return Json(module)


def digits(text: str) -> str:
    return text.lstrip("-").split("e")[0].replace(".", "").strip("0")


def same(one, other):
    """Equal with the same types, and zeros of the same sign."""
    return json.dumps(one) == json.dumps(other)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | DOUBLES | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=50,
)


@given(value=VALUES, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 3))
@EXAMPLES
def test_a_document_comes_back_as_python_reads_it(sandbox, value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert same(json.loads(sandbox.again(text)), value)


@given(value=VALUES)
@EXAMPLES
def test_a_copy_is_the_same_document(sandbox, value):
    text = json.dumps(value).encode()
    read = sandbox.parse(text)
    copied = sandbox("copy", read)
    assert sandbox.print(copied) == sandbox.print(read)


def refused_by_python(text: bytes) -> bool:
    """Whether Python refuses it, but for what JSON itself doesn't have and Python reads all the same."""

    def constant(name):
        raise ValueError(name)

    def real(number):
        if math.isinf(float(number)):
            raise ValueError(number)

    def integer(number):
        if len(number) > 300:
            real(f"{number}.0")

    try:
        value = json.loads(text.decode(), parse_constant=constant, parse_float=real, parse_int=integer)
        # Halves of surrogate pairs are no text.
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return True
    return False


SEEDS = [
    b'{"a": [1, -2.5e-3, true, false, null, "x\\n\\u00e9\\ud83d\\ude00"], "b": {"c": {}, "d": []}}',
    '["é中😀", "a text of more than sixteen bytes, \\" and \\\\ in it, é中😀 behind them"]'.encode(),
    b"[18446744073709551615, 18446744073709551616, -9223372036854775808, -9223372036854775809, 1e308]",
    b' [ 0 , -0 , 0.0 , -0.0 , 10 , 1E+2 , 1e-400 , "\\ud7ff\\ue000" ] ',
    b'["\\ud800", 1e309]',
]
SCRAPS = st.sampled_from(
    [b"", *b'[]{},:"\\-+.eEu0129afntl \t\n\x00\x1f\x7f\x80\xbf\xc0\xc2\xe0\xed\xf0\xf4\xff']
)


@st.composite
def almost_json(draw):
    text = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        scrap = draw(SCRAPS)
        start = draw(st.integers(0, len(text)))
        text[start : start + draw(st.integers(0, 3))] = bytes([scrap]) if isinstance(scrap, int) else scrap
    return bytes(text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text)


@given(text=almost_json() | st.binary(max_size=20))
@settings(EXAMPLES, max_examples=2000)
def test_text_is_refused_where_python_refuses_it(sandbox, text):
    written = sandbox.again(text)
    assert (written is None) == refused_by_python(text)
    if written is not None:
        assert sandbox.again(written) == written
        with suppress(OverflowError):
            assert same(json.loads(written), json.loads(text, parse_int=whole))


def whole(number):
    value = int(number)
    return value if -(2**63) <= value < 2**64 else float(value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1,]",
        b'{"a":1,}',
        b"[1 2]",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"1e",
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"[1]x",
        b"[}",
        b"'a'",
        b'"a',
        b'"\t"',
        b'"\\x"',
        b'"\\ud800"',
        b'"\\udc00"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'"\xf4\x90\x80\x80"',
        b"\xef\xbb\xbf1",
        b"1\x00",
        b"// 1\n1",
    ],
)
def test_what_is_not_json_is_refused(sandbox, text):
    assert sandbox.again(text) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b"18446744073709551615", b"18446744073709551615"),
        (b"-9223372036854775808", b"-9223372036854775808"),
        (b"18446744073709551616", b"18446744073709552000.0"),
        (b"-0", b"0"),
        (b"-0.0", b"-0.0"),
        (b"1e21", b"1e21"),
        (b"1e20", b"100000000000000000000.0"),
        (b"0.000001", b"0.000001"),
        (b"1e-7", b"1e-7"),
        (b'"\\u001f\\/\\u007f\\u0000"', b'"\\u001F/\x7f\\u0000"'),
        (b'{"a":1,"b":2,"a":3}', b'{"a":1,"b":2,"a":3}'),
    ],
)
def test_the_form_of_what_is_written(sandbox, text, written):
    assert sandbox.again(text) == written


def edges():
    for power in range(-1074, 1024):
        number = 2.0**power
        yield from (number, math.nextafter(number, 0), math.nextafter(number, math.inf))
    yield from (float(f"{first}e{power}") for first in (1, 5, 9.5) for power in range(-323, 308))


def test_doubles_at_every_edge_are_written_shortest(sandbox):
    for number in edges():
        written = sandbox.print(sandbox("real_of", number)).decode()
        assert float(written) == number
        assert digits(written) == digits(repr(number)), (written, number)


BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])


@given(number=DOUBLES | BITS.filter(math.isfinite))
@settings(EXAMPLES, max_examples=3000)
def test_doubles_are_written_as_the_shortest_text_that_reads_as_them(sandbox, number):
    written = sandbox.print(sandbox("real_of", number)).decode()
    assert struct.pack("<d", float(written)) == struct.pack("<d", number)
    assert digits(written) == digits(repr(number))


def exactly(number: Fraction) -> str:
    """All decimals of a fraction whose denominator is a power of two."""
    power = number.denominator.bit_length() - 1
    return f"{number.numerator * 5**power}e-{power}"


@given(number=BITS.filter(math.isfinite).map(abs), off=st.sampled_from([-1, 0, 1]))
@settings(EXAMPLES, max_examples=1000)
def test_numbers_between_two_doubles_are_read_as_the_nearer_one(sandbox, number, off):
    above = math.nextafter(number, math.inf)
    if math.isinf(above):
        return
    middle = (Fraction(number) + Fraction(above)) / 2 + Fraction(off, 2**1200)
    text = exactly(middle)
    assert json.loads(sandbox.again(text.encode())) == float(text)


@given(st.text("0123456789", min_size=1, max_size=40), st.integers(0, 40), st.integers(-360, 330))
@settings(EXAMPLES, max_examples=2000)
def test_numbers_of_any_length_are_read_as_the_nearest_double(sandbox, all_digits, point, exponent):
    whole_part = all_digits[:point].lstrip("0") or "0"
    text = f"{whole_part}.{all_digits[point:] or '0'}e{exponent}"
    written = sandbox.again(text.encode())
    expected = float(text)
    assert (written is None) == math.isinf(expected)
    assert written is None or json.loads(written) == expected


def test_the_powers_of_five_are_those_that_arithmetic_gives():
    text = (sdk_folder() / "src/json_powers.c").read_text()
    rows = re.findall(r"\{0x([0-9a-f]{16}), 0x([0-9a-f]{16})\}, /\* 5\^(-?\d+) \*/", text)
    assert [int(power) for *_, power in rows] == [27 * step for step in range(-13, 14)]
    for high, low, power in rows:
        exact = Fraction(5) ** int(power)
        shift = 127 - (exact.numerator.bit_length() - exact.denominator.bit_length())
        shift += exact * Fraction(2) ** shift < 2**127
        assert int(high + low, 16) == math.floor(exact * Fraction(2) ** shift), power
    small = [int(number) for number in re.findall(r"(\d+)u,", text)]
    assert small == [5**power for power in range(27)]


def test_what_is_no_text_is_not_written(sandbox):
    for data in (b"\xff", b"a text of more than sixteen bytes\xc3", b"\xed\xa0\x80 and more", b"abc\xe4\xb8"):
        assert sandbox.print(sandbox("text_of", sandbox.place(data), len(data))) is None
    assert sandbox.print(sandbox("real_of", math.inf)) is None
    assert sandbox.print(sandbox("real_of", math.nan)) is None


@given(TEXT)
@EXAMPLES
def test_every_text_is_written_whatever_lies_behind_it(sandbox, text):
    data = text.encode()
    value = sandbox("text_of", sandbox.place(data + b"\xff" * 16), len(data))
    assert json.loads(sandbox.print(value)) == text


def test_text_at_the_end_of_memory_is_written(module):
    fresh = Json(module)
    pages = fresh.memory.grow(fresh.store, 1)
    for data in (b"a", b"end of memory", b"\xc3\xa9", b"end of memory \xf0\x9f\x98\x80"):
        end = (pages + 1) * 65536
        fresh.memory.write(fresh.store, data, end - len(data))
        # Not a copy: what is written is the text where it is.
        value = fresh.parse(b'"x"')
        head = bytes(fresh.memory.read(fresh.store, value, value + 8))
        fresh.memory.write(fresh.store, head + struct.pack("<II", end - len(data), len(data)), value)
        assert json.loads(fresh.print(value)) == data.decode()


@pytest.mark.parametrize(
    "text", [b"[" * 300_000 + b"]" * 300_000, b'{"a":' * 200_000 + b"0" + b"}" * 200_000]
)
def test_nesting_costs_no_stack(module, text):
    fresh = Json(module)
    value = fresh.parse(text)
    assert fresh.print(fresh("copy", value)) == text
    assert fresh.again(text[:-1]) is None
