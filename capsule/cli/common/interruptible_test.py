from __future__ import annotations

import threading

import pytest

from capsule.cli.common.interruptible import interruptibly
from capsule.errors import CapsuleError


def test_work_is_done_on_another_thread_and_its_result_or_error_comes_out():
    assert interruptibly(lambda: threading.current_thread() is threading.main_thread()) is False

    def fails():
        raise CapsuleError("no", hint="yes")

    with pytest.raises(CapsuleError, match="no"):
        interruptibly(fails)
