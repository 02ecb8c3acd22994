"""What holds for the tests of every distribution."""

import signal

import pytest
from hypothesis import settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--reference``, which tests/security/portable_test.py explains."""
    parser.addoption("--reference", metavar="COMMAND", help="also try the attacks on another runtime")


# Whoever starts the tests in the background has them ignore SIGINT, and every command that they start
# inherits that: the tests of Ctrl-C would wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about the code.
settings.register_profile("capsule", deadline=None)
settings.load_profile("capsule")
