"""Traps in `.capsule`, which may come with a repository."""

from __future__ import annotations

import sqlite3

from repositories.making import PYTHON, Repository, trap


@trap("tasks", "run", "build", "stat")
def artifacts_and_native_code(made: Repository) -> None:
    """Files with the names of what a build keeps, compiled code among them."""
    made.write("main.py", PYTHON)
    for name in ("main_" + "0" * 32, "python-engine_" + "0" * 32):
        for suffix in (".wasm", ".wasm.seal", ".cwasm", ".cwasm.seal", ".wasm.lock"):
            made.write(f".capsule/wasm/{name}{suffix}", b"\0asm\x0d\0\1\0" + b"\xff" * 1000)


@trap("run", "build", "trace", "stat")
def a_capsule_folder_that_is_a_link(made: Repository) -> None:
    """Everything that is kept would be written to the home."""
    made.write("main.py", PYTHON)
    made.link(".capsule", made.operator.home)


@trap("run", "build", "trace", "stat")
def folders_of_the_store_that_are_links(made: Repository) -> None:
    """The store, the contract and the record, each a link to the home."""
    made.write("main.py", PYTHON)
    made.link(".capsule/wasm", made.operator.home)
    made.link(".capsule/wit", made.operator.home / ".ssh")
    made.link(".capsule/trace.db", made.operator.home / ".bashrc")
    made.link(".capsule/.gitignore", made.operator.home / ".netrc")


@trap("run", "trace")
def a_record_that_is_a_pipe(made: Repository) -> None:
    """Opening it would wait for ever."""
    made.write("main.py", PYTHON)
    made.pipe(".capsule/trace.db")


@trap("run", "trace")
def a_record_beside_links(made: Repository) -> None:
    """What a database keeps beside itself is a link to a file of the operator's."""
    made.write("main.py", PYTHON)
    for suffix in ("-wal", "-shm", "-journal"):
        made.link(f".capsule/trace.db{suffix}", made.operator.home / ".bashrc")


@trap("trace", "run")
def a_record_with_hostile_rows(made: Repository) -> None:
    """A database with triggers, views in the place of tables, and text that would be lines or escapes."""
    made.write("main.py", PYTHON)
    (made.root / ".capsule").mkdir()
    with sqlite3.connect(made.root / ".capsule/trace.db") as database:
        for name in ("runs", "executions", "events", "tasks", "attempts"):
            database.execute(f"CREATE TABLE {name} (id TEXT, name TEXT, started REAL, value BLOB)")
            row = ("\x1b[2J\nerror: forged", "x" * 100_000, 1e308, b"\xff" * 100)
            database.execute(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", row)
            database.execute(
                f"CREATE TRIGGER t{name} AFTER INSERT ON {name} BEGIN SELECT load_extension('evil'); END"
            )
        database.execute("PRAGMA user_version = 99")
    database.close()


@trap("trace", "run", "stat")
def a_record_without_end(made: Repository) -> None:
    """A terabyte that takes no room."""
    made.write("main.py", PYTHON)
    (made.root / ".capsule/wasm").mkdir(parents=True)
    for name in ("trace.db", "wasm/main_" + "0" * 32 + ".wasm"):
        with (made.root / ".capsule" / name).open("wb") as file:
            file.truncate(1 << 40)


@trap("run", "build", "stat")
def pipes_and_folders_in_the_store(made: Repository) -> None:
    """What stands in the place of an entry, a lock and the contract is none of these."""
    made.write("main.py", PYTHON)
    made.pipe(".capsule/.gitignore")
    made.pipe(".capsule/wit/capsule.wit")
    made.pipe(".capsule/wasm/main_" + "0" * 32 + ".wasm")
    (made.root / ".capsule/wasm/main.wasm.lock").mkdir()
