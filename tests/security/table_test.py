"""docs/security-tests.md lists the attacks that there are; ``tests/security/table.py`` writes it anew."""

from __future__ import annotations

import pytest
from portable_attacks import ATTACKS
from table import PAGE, TITLES, attacks_of, counted, files, reference_results, rows

TEXT = PAGE.read_text()
WRITE = "uv run python tests/security/table.py"


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_every_attack_is_in_the_table_and_every_row_is_an_attack(file):
    assert [row.test for row in rows(TEXT).get(file.name, [])] == attacks_of(file), WRITE


def test_every_section_is_of_a_file_that_is_there():
    assert set(rows(TEXT)) == {file.name for file in files()} <= set(TITLES), WRITE


def test_the_number_of_attacks_is_that_of_the_rows():
    assert counted(TEXT) in TEXT, WRITE


def test_there_are_as_many_attacks_as_there_were_to_be():
    assert int(counted(TEXT).split()[0]) >= 120


def test_no_attack_is_open():
    """An attack that succeeds is a strict expected failure, and its row says so."""
    odd = [
        row for some in rows(TEXT).values() for row in some if not row.result.startswith(("held", "control"))
    ]
    assert not odd


def test_the_reference_s_results_are_those_of_the_portable_attacks():
    assert list(reference_results(TEXT)) == [attack.name for attack in ATTACKS], WRITE
