from __future__ import annotations

import sqlite3
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.events import Output
from capsule.journal import bounds, schema
from capsule.journal.bounds import Budget
from capsule.journal.output import OUTPUT_LIMIT, PART_LIMIT, OutputBatch, OutputState

# Sizes around every boundary, as (size, whether a transaction ends after it).
writes = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 300),
            st.sampled_from([PART_LIMIT - 1, PART_LIMIT, PART_LIMIT + 1, OUTPUT_LIMIT, 3 * OUTPUT_LIMIT]),
        ),
        st.sampled_from(["stdout", "stderr"]),
        st.booleans(),
    ),
    max_size=16,
)

# Long enough for any list of writes, and without a repetition that could hide a gap.
TEXT = "".join(f"{number:08x}" for number in range(16 * 3 * OUTPUT_LIMIT // 8))


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    return connection


def kept(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    rows: list[tuple[int, str]] = connection.execute("SELECT part, text FROM output ORDER BY part").fetchall()
    return rows


@settings(max_examples=40, deadline=None)
@given(writes)
def test_the_beginning_and_the_end_of_the_output_are_kept(sizes: list[tuple[int, str, bool]]) -> None:
    connection, state, budget, batch = database(), OutputState(), Budget(), OutputBatch()
    everything, position = "", 0
    for size, stream, commits in sizes:
        text = TEXT[position : position + size]
        position += size
        everything += text
        batch.add((1, 1), state, budget, Output("r", 1, 0.0, stream, text))  # type: ignore[arg-type]
        if commits:
            batch.write(connection)
    batch.write(connection)
    rows = kept(connection)
    stored = "".join(text for _, text in rows)
    connection.close()
    assert state.total == len(everything)
    assert all(len(text) <= PART_LIMIT for _, text in rows)
    if len(everything) <= 2 * OUTPUT_LIMIT - PART_LIMIT:
        assert stored == everything
        assert [part for part, _ in rows] == list(range(1, len(rows) + 1))
    else:
        head, tail = stored[:OUTPUT_LIMIT], stored[OUTPUT_LIMIT:]
        assert everything.startswith(head)
        assert everything.endswith(tail)
        assert OUTPUT_LIMIT - PART_LIMIT <= len(tail) <= OUTPUT_LIMIT
        gaps = sum(after[0] != before[0] + 1 for before, after in pairwise(rows))
        assert gaps == (len(stored) < len(everything))


def test_many_small_writes_make_few_rows() -> None:
    connection, batch, state = database(), OutputBatch(), OutputState()
    for _ in range(5000):
        batch.add((1, 1), state, Budget(), Output("r", 1, 0.0, "stdout", "x"))
    batch.write(connection)
    assert [len(text) for _, text in kept(connection)] == [5000]


def test_endless_output_leaves_the_budget_to_others() -> None:
    connection, batch, state, budget = database(), OutputBatch(), OutputState(), Budget()
    for _ in range(2000):
        batch.add((1, 1), state, budget, Output("r", 1, 0.0, "stdout", "x" * OUTPUT_LIMIT))
        batch.write(connection)
    assert budget.spent < 3 * OUTPUT_LIMIT
    assert state.total == 2000 * OUTPUT_LIMIT


def test_a_run_without_budget_stores_no_output_but_counts_it() -> None:
    connection, batch, state = database(), OutputBatch(), OutputState()
    batch.add((1, 1), state, Budget(bounds.RUN_LIMIT + 1), Output("r", 1, 0.0, "stdout", "x" * 300_000))
    batch.write(connection)
    assert kept(connection) == []
    assert state.total == 300_000
