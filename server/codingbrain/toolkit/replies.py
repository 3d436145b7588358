"""How failures look over HTTP: one body for every status, and one table from the error tree to a status."""

import math
from collections.abc import Mapping
from typing import Final

from starlette.responses import JSONResponse

from codingbrain import errors
from codingbrain.errors import CodingbrainError
from codingbrain.telemetry.context import request_id

STATUS: Final[Mapping[type[CodingbrainError], int]] = {
    CodingbrainError: 500,
    errors.InvalidArgumentError: 422,
    errors.LimitExceededError: 422,
    errors.InvalidCursorError: 422,
    errors.UnknownToolError: 404,
    errors.NotFoundError: 404,
    errors.VersionConflictError: 409,
    errors.IdempotencyConflictError: 409,
    errors.UnauthenticatedError: 401,
    errors.InsufficientScopeError: 403,
    errors.ForbiddenError: 403,
    errors.AmbiguousTargetError: 422,
    errors.ConflictError: 409,
    errors.RateLimitedError: 429,
}
"""The nearest ancestor in the table decides; what is not in it and can succeed later is 503."""

CODES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid_request", "The request is malformed."),
    401: ("unauthenticated", "A valid credential is needed."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "Nothing is here."),
    405: ("method_not_allowed", "This path does not take this method."),
    406: ("not_acceptable", "Accept must name application/json and text/event-stream."),
    408: ("request_timeout", "The request body took too long to arrive."),
    409: ("conflict", "This stands in the way of what is there already."),
    413: ("body_too_large", "The request body is too large."),
    415: ("unsupported_media_type", "Content-Type must be application/json."),
    421: ("misdirected_request", "This server does not answer for this host."),
    422: ("invalid_argument", "The request is well formed, but cannot be followed."),
    429: ("rate_limited", "Too many requests; try again later."),
    503: ("overloaded", "The server has no place for this now; try again later."),
}
"""What a status means when nothing more is known."""

_UNKNOWN: Final = (CodingbrainError.code, "The server failed.")


def status_of(kind: type[CodingbrainError]) -> int:
    """The HTTP status of a kind of failure."""
    status = next(STATUS[each] for each in kind.__mro__ if each in STATUS)
    return 503 if status == STATUS[CodingbrainError] and kind.retryable else status


def refusal(
    status: int, message: str | None = None, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """`{"error": {"code", "message", "request_id"}}`, with the words of the status unless others are given."""
    usual_code, usual_message = CODES.get(status, _UNKNOWN)
    body = {"code": code or usual_code, "message": message or usual_message, "request_id": request_id.get()}
    return JSONResponse({"error": body}, status, headers)


def failure(error: CodingbrainError) -> JSONResponse:
    """A failure of the product as a reply; a retryable one says when to retry."""
    seconds = math.ceil(error.retry_after) if isinstance(error, errors.RateLimitedError) else 1
    headers = {"Retry-After": str(seconds)} if error.retryable else None
    return refusal(status_of(type(error)), error.message, code=error.code, headers=headers)
