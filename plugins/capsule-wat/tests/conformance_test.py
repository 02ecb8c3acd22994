"""The WAT frontend keeps what every frontend promises."""

from __future__ import annotations

from pathlib import Path

from capsule.testing import Conformance, Programs


class TestWat(Conformance):
    programs = Programs(
        Path(__file__).parent / "programs",
        suffix=".wat",
        left_out={
            "files": "opening a file through WASI by hand takes some 100 lines that teach nothing",
            "http": "a response's body is base64, and WAT has nothing to decode it with",
        },
    )
