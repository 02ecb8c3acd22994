"""What task code imports as ``capsule.http``: `capsule.sdk.http`, under the name that a sandbox has too."""

from capsule.sdk.http import (
    ConnectionFailed,
    Headers,
    HttpError,
    InvalidRequest,
    PermissionDenied,
    Response,
    ResponseTooLarge,
    Timeout,
    delete,
    get,
    head,
    patch,
    post,
    put,
    request,
)

__all__ = [
    "ConnectionFailed",
    "Headers",
    "HttpError",
    "InvalidRequest",
    "PermissionDenied",
    "Response",
    "ResponseTooLarge",
    "Timeout",
    "delete",
    "get",
    "head",
    "patch",
    "post",
    "put",
    "request",
]
