"""Makes the JSON Schema of ``capsule.toml`` out of the names and bounds that the parsers use.

A schema tells structure: names, types, forms of texts. What takes reading, such as whether an address is
one, is left to the validation. ``python -m capsule.project.schema.generate`` writes the published file anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from capsule.frontend.patterns import MAX_LENGTH, MAX_PATTERNS
from capsule.policy.grants import MAX_ENTRIES, MAX_ENV_NAME, MAX_PATH, MODES
from capsule.policy.limits import Limits
from capsule.policy.options import OPTIONS
from capsule.policy.resolve import UNBOUNDED
from capsule.policy.secrets import PLACES
from capsule.policy.sizes import MAX_INT, MAX_RETRIES, MAX_SECONDS
from capsule.project.config import FRONTEND_TABLES, MOST_REQUIRED, TABLES, WORKFLOW_KEYS
from capsule.project.remote_cache import MODES as CACHE_MODES
from capsule.project.schema import FILE

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string", "minLength": 1}
_NUMBER = "[0-9]{1,19}(\\.[0-9]{1,19})?"
_ENV_NAME = f"^[A-Za-z_][A-Za-z0-9_]{{0,{MAX_ENV_NAME - 1}}}$"


def _integer(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _any_case(*words: str) -> str:
    return "|".join(
        "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in word)
        for word in words
    )


def _size(least: int) -> Schema:
    whole = f"[0-9]{{1,19}} ?({_any_case('b')})?"
    unit = f"{_NUMBER} ?({_any_case('kb', 'kib', 'mb', 'mib', 'gb', 'gib')})"
    return {
        "description": 'Bytes, or a size such as "64KiB", "512MB", "2GB".',
        "anyOf": [_integer(least, MAX_INT), {"type": "string", "pattern": f"^({whole}|{unit})$"}],
    }


_DURATION: Schema = {
    "description": 'Such as "500ms", "30s", "5m", "1h30m"; a number is milliseconds.',
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_SECONDS * 1000},
        {
            "type": "string",
            "pattern": f"^(?=.)({_NUMBER}h)?({_NUMBER}m)?({_NUMBER}s)?({_NUMBER}ms)?$",
        },
    ],
}
_COMPUTE: Schema = {
    "description": '"LOW", "MEDIUM", "HIGH", or an amount of fuel.',
    "anyOf": [
        _integer(1, MAX_INT),
        {"type": "string", "pattern": f"^({_any_case('low', 'medium', 'high')}|[0-9]{{1,19}})$"},
    ],
}
_PATH: Schema = {
    "description": "A path below the project root, with forward slashes.",
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_PATH,
    "pattern": r"^(?![/~])(?!(\./|/)*~)(?!(\./|/)*[A-Za-z]:)(?!(.*/)?\.\.(/|$))[^\\\u0000-\u001f\u007f]*$",
}
_MEMBERS = r"^!?(?![/~])(?![A-Za-z]:)(?!(.*/)?\.\.(/|$))[^\\\u0000-\u001f\u007f]+$"
_FOLDERS: Schema = {
    "type": "array",
    "maxItems": MAX_ENTRIES,
    "items": {
        "anyOf": [
            _PATH,
            {
                "type": "object",
                "properties": {"path": _PATH, "mode": {"enum": list(MODES)}},
                "required": ["path"],
                "additionalProperties": False,
            },
        ]
    },
}
_HOSTS: Schema = {
    "description": 'Hosts such as "api.example.com", "*.example.com", "example.com:8443", or "*".',
    "type": "array",
    "maxItems": MAX_ENTRIES,
    "items": {"type": "string", "minLength": 1, "maxLength": 270, "pattern": "^[^/]*$"},
}
_VARIABLES: Schema = {
    "type": "array",
    "maxItems": MAX_ENTRIES,
    "items": {"type": "string", "pattern": _ENV_NAME},
}
_TOOLS: Schema = {
    "type": "array",
    "maxItems": MAX_ENTRIES,
    "items": {"type": "string", "pattern": f"^[A-Za-z][A-Za-z0-9_]{{0,{MAX_ENV_NAME - 1}}}$"},
}
_BOOLEAN: Schema = {"type": "boolean"}

_OPTIONS: dict[str, Schema] = {
    "compute": _COMPUTE,
    "ram": _size(1),
    "timeout": _DURATION,
    "max_retries": _integer(0, MAX_RETRIES),
    "allowed_files": _FOLDERS,
    "allowed_hosts": _HOSTS,
    "env_variables": _VARIABLES,
    "secrets": _VARIABLES,
    "tools": _TOOLS,
}
_LIMITS: dict[str, Schema] = {
    **_OPTIONS,
    "depth": _integer(0, 1000),
    "tasks": _integer(0, 10**9),
    "concurrency": _integer(1, 10_000),
    "output_bytes": _size(0),
    "result_bytes": _size(0),
    "http_requests": _integer(0, 10**9),
    "http_bytes": _size(0),
    "disk": _size(0),
    "total_compute": _COMPUTE,
    "total_timeout": _DURATION,
    "on_exceed": {"enum": ["cap", "refuse"]},
    "allow_project_writes": {"anyOf": [_BOOLEAN, {"type": "array", "items": _PATH, "maxItems": MAX_ENTRIES}]},
}
_UNLIMITED: Schema = {"type": "string", "pattern": f"^({_any_case('unlimited')})$"}
_SECRET: Schema = {
    "type": "object",
    "properties": {
        "env": {"type": "string", "pattern": _ENV_NAME},
        "hosts": {
            **_HOSTS,
            "minItems": 1,
            "items": {**_HOSTS["items"], "not": {"pattern": r"^\*(:.*)?$"}},
        },
        "in": {"type": "array", "minItems": 1, "items": {"enum": list(PLACES)}},
        "allow_http": _BOOLEAN,
    },
    "required": ["hosts"],
    "additionalProperties": False,
}


def capsule_schema(frontends: Iterable[str] = FRONTEND_TABLES) -> Schema:
    """The schema of a ``capsule.toml``, with a table for each of ``frontends``."""
    tables: dict[str, Schema] = {
        "workflow": _table(
            "The project's name and what `capsule run` runs.",
            {key: _PATH if key == "entrypoint" else _TEXT for key in WORKFLOW_KEYS},
        ),
        "workspace": _table(
            "The members of a monorepo.",
            {
                "members": {
                    "description": 'Patterns such as "services/*", "agents/**/main.{py,ts}", "!agents/old".',
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_PATTERNS,
                    "items": {"type": "string", "maxLength": MAX_LENGTH, "pattern": _MEMBERS},
                    "contains": {"pattern": "^[^!]"},
                }
            },
            required=["members"],
        ),
        "tasks": _table(
            "Defaults for the options of every task.",
            {f"default_{option}": _default(option) for option in OPTIONS},
        ),
        "limits": _table(
            "Ceilings over whatever a source declares.",
            {field.name: _LIMITS[field.name] for field in fields(Limits) if field.name != "origins"},
        ),
        "secrets": {
            "description": "Values that the host puts into requests, and tasks never see.",
            "type": "object",
            "maxProperties": MAX_ENTRIES,
            "propertyNames": {"pattern": _ENV_NAME},
            "additionalProperties": _SECRET,
        },
        "signatures": _table(
            "Which signatures an artifact has to have.",
            {"required": {"type": "array", "maxItems": MOST_REQUIRED, "items": _PATH}},
        ),
        "cache": _table(
            "The shared cache of artifacts.",
            {"remote": _TEXT, "mode": {"enum": list(CACHE_MODES)}, "timeout": _duration_text()},
        ),
        "cli": _table(
            "The command line.",
            {
                "resident": {
                    "description": "Whether a resident host may do this project's commands.",
                    "type": "boolean",
                }
            },
        ),
    }
    frontend_tables = {
        name: {"description": f"Settings of the {name} frontend.", "type": "object"} for name in frontends
    }
    return {
        "$schema": _DRAFT,
        "title": "capsule.toml",
        "description": "Settings of a capsule project.",
        "type": "object",
        "properties": {name: tables[name] for name in TABLES} | frontend_tables,
        "additionalProperties": False,
    }


def schema_text(frontends: Iterable[str] = FRONTEND_TABLES) -> str:
    """The schema as it is published."""
    return json.dumps(capsule_schema(frontends), indent=2) + "\n"


def _table(description: str, properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    table: Schema = {
        "description": description,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return table | ({"required": required} if required else {})


def _default(option: str) -> Schema:
    schema = _OPTIONS[option]
    # A task can lift these, and so can a default.
    return {"anyOf": [schema, _UNLIMITED]} if option in UNBOUNDED else schema


def _duration_text() -> Schema:
    return {"description": _DURATION["description"], **_DURATION["anyOf"][1]}


if __name__ == "__main__":
    FILE.write_text(schema_text())
