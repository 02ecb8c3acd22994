"""How ``capsule.http`` sends a request inside a sandbox: the host makes it, if the task's policy allows."""

from ._engine.host import HttpFailure as RequestFailure
from ._engine.host import send_request as send

__all__ = ["RequestFailure", "send"]
