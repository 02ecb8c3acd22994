"""``capsule.http``, as task code imports it: `capsule.sdk.http` under the name that it has in a sandbox too."""

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
