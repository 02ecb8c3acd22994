"""The C frontend keeps what every frontend promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from capsule.testing import Conformance, Programs

pytestmark = pytest.mark.slow


class TestC(Conformance):
    programs = Programs(Path(__file__).parent / "programs", suffix=".c")
