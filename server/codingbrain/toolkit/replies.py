"""How failures look over HTTP: one body for every status, and one table from the error tree to a status."""

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
}
"""The nearest ancestor in the table decides; what can succeed later is 503."""

CODES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid_request", "The request is malformed."),
    401: ("unauthenticated", "A valid credential is needed."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "Nothing is here."),
    405: ("method_not_allowed", "This path does not take this method."),
    406: ("not_acceptable", "Accept must name application/json and text/event-stream."),
    413: ("body_too_large", "The request body is too large."),
    415: ("unsupported_media_type", "Content-Type must be application/json."),
    421: ("misdirected_request", "This server does not answer for this host."),
    503: ("overloaded", "The server has no place for this now; try again later."),
}
"""What a status means when nothing more is known."""

_UNKNOWN: Final = (CodingbrainError.code, "The server failed.")


def status_of(error: CodingbrainError) -> int:
    """The HTTP status of a failure."""
    return 503 if error.retryable else next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def refusal(
    status: int, message: str | None = None, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """`{"error": {"code", "message", "request_id"}}`, with the words of the status unless others are given."""
    usual_code, usual_message = CODES.get(status, _UNKNOWN)
    body = {"code": code or usual_code, "message": message or usual_message, "request_id": request_id.get()}
    return JSONResponse({"error": body}, status, headers)


def failure(error: CodingbrainError) -> JSONResponse:
    """A failure of the product as a reply; a retryable one says when to retry."""
    headers = {"Retry-After": "1"} if error.retryable else None
    return refusal(status_of(error), error.message, code=error.code, headers=headers)
