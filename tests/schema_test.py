"""The published JSON Schema and the validation of ``capsule.toml`` agree, both ways."""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path

import jsonschema
import tomlkit
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from capsule.errors import ConfigError
from capsule.project.config import FRONTEND_TABLES, TABLES, load_config
from capsule.project.schema import FILE
from capsule.project.schema.generate import capsule_schema, schema_text

VALIDATOR = jsonschema.Draft202012Validator(capsule_schema())

# Values that are right for one option are wrong for most others: that makes the pool worth drawing from.
SCALARS = st.sampled_from(
    [
        *("LOW", "high", "Medium", "1000000", "512MB", "2gb", "1.5GiB", "64 KiB", "1.5", "10b", "MB", "12XB"),
        *("30s", "1h30m", "5m", "500ms", "1.5h", "30m1h", "10", "s", "unlimited", "UNLIMITED", "never"),
        *("./data", "data/in", ".", "../up", "/etc", "~/x", "a\\b", "a/../b", "C:/x", "./~x", "a..b", "x\ty"),
        *("*", "*.example.com", "api.example.com:8443", "localhost", "https://x.example", "a/b"),
        *(
            "API_KEY",
            "1KEY",
            "KEY-1",
            "_k",
            "cap",
            "refuse",
            "read",
            "write",
            "read-write",
            "headers",
            "body",
        ),
        *("services/*", "!services/old", "", "x" * 300),
        *(0, 1, -1, 7, 100, 101, 1000, 1001, 10_000, 10**9, 10**9 + 1, 2**63 - 1, True, False, 0.5, 1.5),
    ]
)
LISTS = st.lists(SCALARS, max_size=3)
GRANTS = st.fixed_dictionaries(
    {},
    optional={"path": SCALARS, "mode": st.sampled_from(["rw", "ro", "read-only", "x", 1]), "extra": SCALARS},
)
SECRETS = st.fixed_dictionaries(
    {}, optional={"env": SCALARS, "hosts": LISTS, "in": LISTS, "allow_http": SCALARS, "to": SCALARS}
)
VALUES = st.one_of(SCALARS, LISTS, st.lists(st.one_of(SCALARS, GRANTS), max_size=2), GRANTS, SECRETS)


def keys_of(table: str) -> list[str]:
    described = capsule_schema()["properties"][table]
    return [*described.get("properties", ["API_KEY", "other-name"]), "unknown", "ram", "name"]


DOCUMENTS = st.dictionaries(
    st.sampled_from([*TABLES, "unknown"]),
    st.none(),
    min_size=1,
    max_size=2,
).flatmap(
    lambda tables: st.fixed_dictionaries(
        {
            table: st.one_of(
                st.dictionaries(
                    st.sampled_from(keys_of(table) if table in TABLES else ["x"]), VALUES, max_size=2
                ),
                SCALARS,
            )
            for table in tables
        }
    )
)


def is_structural(error: ConfigError) -> bool:
    """Whether a schema could tell: what takes a look at two values at once, or at an address, it can't."""
    return not any(
        words in error.message
        for words in (
            "not a host",
            "two modes",
            "not a port",
            "braces",
            "a brace has",
            "a size is from",
            "at most 600s",
        )
    )


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=DOCUMENTS)
@example(document={"limits": {"ram": "512MB", "on_exceed": "refuse"}})
@example(
    document={"tasks": {"default_ram": "unlimited", "default_allowed_files": [{"path": "a", "mode": "ro"}]}}
)
@example(document={"workspace": {"members": ["!a"]}})
@example(document={"workspace": {}})
@example(document={"secrets": {"API_KEY": {"hosts": ["*"]}}})
@example(document={"secrets": {"API_KEY": {"hosts": ["api.example.com"], "in": ["body"]}}})
def test_what_the_validation_accepts_the_schema_accepts_and_the_other_way_round(document, tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "capsule.toml"
    file.write_text(tomlkit.dumps(document))
    try:
        load_config(file, file.parent)
        problem = None
    except ConfigError as error:
        problem = error
    found = next(VALIDATOR.iter_errors(document), None)
    if problem is None:
        assert found is None, (document, found)
    elif is_structural(problem):
        assert found is not None, (document, problem)


def test_the_published_file_is_what_the_tables_give():
    assert FILE.read_text() == schema_text(), "run: python -m capsule.project.schema.generate"


def test_the_published_file_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(json.loads(FILE.read_text()))


def test_every_table_of_the_configuration_is_described():
    assert set(capsule_schema()["properties"]) == {*TABLES, *FRONTEND_TABLES}


def test_the_command_prints_it_with_the_tables_of_installed_frontends(cli):
    done = cli("schema")
    assert done.status == 0, done
    properties = json.loads(done.stdout)["properties"]
    assert {"workspace", "limits", "python", "javascript"} <= set(properties)


def test_the_package_brings_the_schema():
    packaged = [Path(str(file)).name for file in distribution("capsule-run").files or ()]
    # An editable installation lists no files of the package: there, it is where it is imported from.
    assert FILE.is_file()
    assert FILE.name in packaged or not any(name == "config.py" for name in packaged)
