"""``capsule schema``: the JSON Schema of ``capsule.toml``."""

from __future__ import annotations

import sys

from capsule.cli.common.exits import EXIT_OK


def print_schema() -> int:
    """Prints the schema, with a table for each installed frontend."""
    from capsule.frontend.manager import plugins
    from capsule.project.config import FRONTEND_TABLES
    from capsule.project.schema.generate import schema_text

    installed = (frontend.name for frontend in plugins().frontends)
    sys.stdout.write(schema_text(dict.fromkeys((*FRONTEND_TABLES, *installed))))
    return EXIT_OK
