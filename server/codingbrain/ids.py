"""Identifiers: time-ordered UUIDs (RFC 9562, version 7) for new objects."""

import os
from collections.abc import Callable
from uuid import UUID

from codingbrain import clock

Mint = Callable[[], UUID]

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_A = (1 << 12) - 1
_RANDOM_B = (1 << 62) - 1


def uuid7() -> UUID:
    """A new id: 48 bits of milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10))
    millis = clock.now() // 1_000
    high = (millis << 80) | _VERSION | ((random >> 62 & _RANDOM_A) << 64)
    return UUID(int=high | _VARIANT | (random & _RANDOM_B))
