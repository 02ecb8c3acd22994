"""The JSON Schema of ``capsule.toml``, for editors: generated from the tables that the validation uses."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).parent / "capsule.schema.json"
"""The published schema, for the frontends that this version knows."""
