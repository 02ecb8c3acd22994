"""The modules of the Python SDK that are the same inside a sandbox and outside: they come with the host.

Task code imports them in both places, so there is one source of each, and the Python engine is built with
copies. Such a module imports the standard library, and relatively what stands beside it in both places.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_SHARED = {
    "http.py": "sdk/http.py",
    "misuse.py": "sdk/misuse.py",
    "options.py": "policy/options.py",
    "outcome.py": "sdk/outcome.py",
}


def sdk_modules() -> Mapping[str, Path]:
    """The files to copy, by their names in the package ``capsule`` of a guest.

    The guest has to bring what they import besides: ``transport.py``, with ``send`` and
    ``RequestFailure`` as `capsule.sdk.transport` has them.
    """
    package = Path(__file__).resolve().parent.parent
    return {name: package / source for name, source in _SHARED.items()}
