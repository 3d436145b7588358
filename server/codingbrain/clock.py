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


def now() -> Micros:
    """The wall clock."""
    return time.time_ns() // 1_000


def to_iso(at: Micros) -> str:
    """RFC 3339, UTC, with as many fraction digits as needed (none or six)."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")


def from_datetime(at: datetime) -> Micros:
    """A naive value counts as UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
