import contextlib
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import Location, PolicyError
from capsule.policy.problems_test import anything
from capsule.policy.sizes import (
    MAX_INT,
    MAX_SECONDS,
    parse_compute,
    parse_count,
    parse_duration,
    parse_retries,
    parse_size,
)

MIB = 1024 * 1024


def one_to_nine(value: object, option: str) -> int:
    return parse_count(value, option, least=1, most=9)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("64MB", 64 * MIB),
        ("64MiB", 64 * MIB),
        ("512mb", 512 * MIB),
        ("512 MB", 512 * MIB),
        ("2GB", 2048 * MIB),
        ("1GiB", 1024 * MIB),
        ("64KiB", 65536),
        ("64KB", 65536),
        ("1.5GB", 1536 * MIB),
        ("0.1KB", 102),
        ("1048576", MIB),
        ("7B", 7),
        (1048576, MIB),
        (MAX_INT, MAX_INT),
    ],
)
def test_sizes_are_read_in_powers_of_1024(written: object, size: object) -> None:
    assert parse_size(written, "ram") == size


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "MB",
        "12XB",
        "12TB",
        "-1MB",
        "0",
        0,
        "0.1B",
        "1.5",
        "1e3",
        "1,5GB",
        "64MB ",
        "64M",
        "0x10",
        "٣MB",
        "64MB\n",
        "9" * 5000 + "MB",
        "9999999999999999999GB",
        MAX_INT + 1,
        -1,
        1.0,
        True,
        None,
        [],
        {},
        b"64MB",
    ],
)
def test_what_is_not_a_size_is_refused(written: object) -> None:
    with pytest.raises(PolicyError):
        parse_size(written, "ram")


def test_zero_bytes_are_a_size_only_where_they_may_be() -> None:
    assert parse_size(0, "output", least=0) == 0
    with pytest.raises(PolicyError):
        parse_size(-1, "output", least=0)


@settings(deadline=None)
@given(st.integers(1, 2**30), st.sampled_from(["KB", "KiB", "MB", "MiB", "GB", "GiB"]))
def test_a_whole_size_in_any_unit_is_exact(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}", "ram") == number * 1024 ** ("KMG".index(unit[0]) + 1)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h2m3s4ms", 3723.004),
        ("1.5h", 5400),
        ("0.25s", 0.25),
        ("366m", 366 * 60),
        ("8784h", MAX_SECONDS),
        (250, 0.25),
        (1500.0, 1.5),
    ],
)
def test_durations_are_read_in_seconds_and_numbers_as_milliseconds(written: object, seconds: object) -> None:
    assert parse_duration(written, "timeout") == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "30",
        "s",
        "-5s",
        "0s",
        0,
        "30m1h",
        "1h1h",
        "5 s",
        " 5s",
        "5s\n",
        "5S",
        "5d",
        "1e3s",
        ".5s",
        "5.s",
        "infs",
        "8785h",
        "9" * 5000 + "s",
        -1,
        -0.5,
        1e300,
        10**400,
        -(10**400),
        math.nan,
        math.inf,
        -math.inf,
        True,
        None,
        [],
        {},
        5e-324,
    ],
)
def test_what_is_not_a_duration_is_refused(written: object) -> None:
    with pytest.raises(PolicyError):
        parse_duration(written, "timeout")


def test_a_duration_without_a_unit_is_told_to_need_one() -> None:
    with pytest.raises(PolicyError, match="needs a unit"):
        parse_duration("30", "timeout")


@settings(deadline=None)
@given(st.integers(0, 8000), st.integers(0, 59), st.integers(0, 59), st.integers(1, 999))
def test_a_duration_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: int, millis: int) -> None:
    written = f"{hours}h{minutes}m{seconds}s{millis}ms"
    expected = hours * 3600 + minutes * 60 + seconds + millis / 1000
    assert parse_duration(written, "timeout") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("written", "fuel"),
    [
        ("LOW", 1_000_000_000),
        ("medium", 50_000_000_000),
        ("High", 1_000_000_000_000),
        ("1000000", 1_000_000),
        (1_000_000, 1_000_000),
        (MAX_INT, MAX_INT),
        (str(MAX_INT), MAX_INT),
    ],
)
def test_compute_is_a_level_or_an_exact_amount_of_fuel(written: object, fuel: object) -> None:
    assert parse_compute(written, "compute") == fuel


@pytest.mark.parametrize(
    "written",
    [
        "",
        "TINY",
        "LOW ",
        "CUSTOM",
        "1e6",
        "1_000",
        "-1",
        "0",
        0,
        -1,
        1e6,
        MAX_INT + 1,
        str(MAX_INT + 1),
        "1" * 5000,
        "١",
        True,
        None,
        [],
        {},
    ],
)
def test_what_is_not_compute_is_refused(written: object) -> None:
    with pytest.raises(PolicyError):
        parse_compute(written, "compute")


@pytest.mark.parametrize("retries", [0, 1, 100])
def test_retries_are_a_small_integer(retries: object) -> None:
    assert parse_retries(retries, "max_retries") == retries


@pytest.mark.parametrize("written", [-1, 101, 1.0, "3", True, False, None, []])
def test_what_is_not_a_number_of_retries_is_refused(written: object) -> None:
    with pytest.raises(PolicyError):
        parse_retries(written, "max_retries")


def test_a_refusal_names_option_value_what_is_accepted_and_where() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_size("12XB", "ram", Location("main.py", 7))
    assert "ram = '12XB'" in caught.value.message
    assert '"512MB"' in (caught.value.hint or "")
    assert caught.value.location == Location("main.py", 7)


@pytest.mark.parametrize(
    ("parse", "most"),
    [(parse_size, MAX_INT), (parse_duration, MAX_SECONDS), (parse_compute, MAX_INT), (one_to_nine, 9)],
)
@settings(deadline=None)
@given(value=anything | st.text("0123456789.KMGBihms ", max_size=12))
def test_any_value_gives_a_number_in_range_or_a_policy_error(
    parse: Callable[[object, str], float], most: float, value: object
) -> None:
    with contextlib.suppress(PolicyError):
        assert 0 < parse(value, "option") <= most
