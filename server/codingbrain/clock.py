"""Time as the record knows it: whole microseconds since the Unix epoch, UTC."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Micros = int
"""Microseconds since 1970-01-01T00:00:00Z."""

Clock = Callable[[], Micros]

SECOND: Micros = 1_000_000
DAY: Micros = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Micros = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST: Micros = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def now() -> Micros:
    """The wall clock."""
    return time.time_ns() // 1_000


def to_iso(at: Micros) -> str:
    """RFC 3339, UTC, with as many fraction digits as needed (none or six)."""
    bounded = min(max(at, _FIRST), _LAST)
    return (_EPOCH + timedelta(microseconds=bounded)).isoformat().replace("+00:00", "Z")


def from_datetime(at: datetime) -> Micros:
    """A naive value counts as UTC.

    Raises:
        ValueError: in UTC the time lies outside the years 1 to 9999.
    """
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    micros = (aware - _EPOCH) // timedelta(microseconds=1)
    if not _FIRST <= micros <= _LAST:
        message = "must lie in the years 1 to 9999, in UTC"
        raise ValueError(message)
    return micros
