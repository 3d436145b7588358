"""The one tree of failures that cross a module boundary.

Each class has a stable `code` that callers may match on and says whether the same call can succeed later
(`retryable`). Messages are written for the caller: what is wrong and what to do, never internals.
Protocol numbers live with the faces that speak the protocol.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar, cast


class CodingbrainError(Exception):
    """A failure that a caller is meant to see."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InternalError(CodingbrainError):
    """Something broke that the caller cannot mend."""


class InvalidArgumentError(CodingbrainError):
    """An argument has the wrong type, form or value."""

    code = "invalid_argument"


class LimitExceededError(CodingbrainError):
    """An argument is larger than the limit that the message names."""

    code = "limit_exceeded"


class InvalidCursorError(CodingbrainError):
    """A cursor is forged, expired, or belongs to another caller or query."""

    code = "invalid_cursor"


class UnknownToolError(CodingbrainError):
    """No tool has this name."""

    code = "unknown_tool"


class NotFoundError(CodingbrainError):
    """The object does not exist, or the caller may not know that it does."""

    code = "not_found"


class VersionConflictError(CodingbrainError):
    """The object changed since the version that the caller named."""

    code = "version_conflict"


class ConflictError(CodingbrainError):
    """The object exists already, or stands where the change cannot be made."""

    code = "conflict"


class IdempotencyConflictError(CodingbrainError):
    """An idempotency key came back with a different request."""

    code = "idempotency_conflict"


class UnauthenticatedError(CodingbrainError):
    """No usable credential came with the request."""

    code = "unauthenticated"


class InvalidProofError(UnauthenticatedError):
    """The proof of possession (RFC 9449) that came with the request does not hold."""

    code = "invalid_dpop_proof"


class NonceRequiredError(InvalidProofError):
    """The proof needs the server's nonce, which comes with the refusal."""

    code = "use_dpop_nonce"


class InsufficientScopeError(CodingbrainError):
    """The credential lacks a scope that the operation needs."""

    code = "insufficient_scope"


class ForbiddenError(CodingbrainError):
    """The caller may not do this, whatever credential they bring."""

    code = "forbidden"


class AmbiguousTargetError(CodingbrainError):
    """Several teams or projects fit what the caller wants to share with; `choices` lists them."""

    code = "ambiguous_target"


class RateLimitedError(CodingbrainError):
    """The caller, or the caller's org, asked for too much lately; `retry_after` says when to try again, in seconds."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, retry_after: float, **details: object) -> None:
        super().__init__(message, retry_after=retry_after, **details)
        self.retry_after = retry_after


class UnavailableError(CodingbrainError):
    """A store or model that the operation needs does not answer now."""

    code = "unavailable"
    retryable = True


class OverloadedError(CodingbrainError):
    """Too much work is queued; the call was refused before anything changed."""

    code = "overloaded"
    retryable = True


class DeadlineExceededError(CodingbrainError):
    """The call did not finish within its time."""

    code = "deadline_exceeded"
    retryable = True


class HostLostError(CodingbrainError):
    """The host process went away before it answered; the call may or may not have taken effect."""

    code = "host_lost"
    retryable = True


class HostFailedError(CodingbrainError):
    """No host process could be started for the data directory."""

    code = "host_failed"
    retryable = True


class HostRunningError(CodingbrainError):
    """Another host process has the data directory and does not give it up."""

    code = "host_running"


class HostMismatchError(CodingbrainError):
    """The running host and this program cannot talk to each other."""

    code = "host_mismatch"


class StorageError(CodingbrainError):
    """The data directory cannot be used as it is."""

    code = "storage_failed"


class StorageFullError(StorageError):
    """No space is left for the write; nothing of it was kept."""

    code = "storage_full"
    retryable = True


class StorageReadOnlyError(StorageError):
    """The data directory or its database cannot be written."""

    code = "storage_read_only"


class StorageCorruptError(StorageError):
    """The database file is damaged."""

    code = "storage_corrupt"


class SchemaNewerError(StorageError):
    """The database was written by a newer release than this one."""

    code = "schema_newer"


class ConfigurationError(CodingbrainError):
    """The settings are wrong; `faults` holds one line per fault."""

    code = "configuration_invalid"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults), faults=faults)
        self.faults = faults


class AddressInUseError(CodingbrainError):
    """Another process listens on the address that was asked for."""

    code = "address_in_use"


class ModelUnavailableError(UnavailableError):
    """An embedding model is missing, damaged, or still loading."""

    code = "model_unavailable"


@contextmanager
def ungrouped() -> Generator[None]:
    """Raise the only exception of a group as itself: a task group wraps even what its own block raises."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise _innermost(group) from None


def _innermost(error: BaseException) -> BaseException:
    if not isinstance(error, BaseExceptionGroup):
        return error
    inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return _innermost(inner[0]) if len(inner) == 1 else cast("BaseException", error)
