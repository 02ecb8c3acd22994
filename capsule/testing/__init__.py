"""The conformance suite for frontends: ten small programs that every language should be able to run.

A frontend's own tests run it with a few lines (capsule-run's extra ``testing`` has what they need)::

    from pathlib import Path

    from capsule.testing import Conformance, Programs

    class TestMyLanguage(Conformance):
        programs = Programs(Path(__file__).parent / "programs", suffix=".mylang")

The folder has a source for each name in `capsule.testing.programs.PROGRAMS`, which says what it must do:
``hello.mylang``, ``arguments.mylang``, and so on. What the language can't do yet is left out with a reason,
which pytest shows as a skipped test.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("capsule.testing.conformance")

from capsule.testing.conformance import Conformance  # noqa: E402
from capsule.testing.programs import PROGRAMS, Programs  # noqa: E402

__all__ = ["PROGRAMS", "Conformance", "Programs"]
