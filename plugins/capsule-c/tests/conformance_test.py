"""The C frontend keeps what every frontend promises."""

from __future__ import annotations

from pathlib import Path

from capsule.testing import Conformance, Programs


class TestC(Conformance):
    programs = Programs(Path(__file__).parent / "programs", suffix=".c")
