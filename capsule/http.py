"""What task code imports as ``capsule.http``: `capsule.sdk.http`, under the name that a sandbox has too."""

from .sdk import http as _http
from .sdk.http import *  # noqa: F403

__all__ = _http.__all__
