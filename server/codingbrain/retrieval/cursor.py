"""Cursors that only the caller who got one can use, for the query that it belongs to, for an hour.

A cursor is a Fernet token: authenticated, encrypted, stamped with its time.
"""

import hashlib
import json
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken

from codingbrain.clock import SECOND, Clock
from codingbrain.errors import InvalidCursorError
from codingbrain.identity.principal import Principal

_LIFETIME_SECONDS: Final = 3_600
_LONGEST: Final = 1_024


class Seal:
    """Seals and opens cursors under one key of 32 bytes in URL-safe base 64."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._fernet = Fernet(key)
        self._clock = clock

    def seal(self, principal: Principal, query: object, position: Any) -> str:  # noqa: ANN401 - any JSON value
        """A cursor for `position` (any JSON value) in the results of `query`."""
        content = json.dumps([_binding(principal, query), position]).encode()
        return self._fernet.encrypt_at_time(content, self._seconds()).decode()

    def open(self, principal: Principal, query: object, cursor: str) -> Any:  # noqa: ANN401 - any JSON value
        """The position in a cursor.

        Raises:
            InvalidCursorError: it is forged, older than an hour, of another caller, or of another query.
        """
        try:
            content = self._fernet.decrypt_at_time(cursor[:_LONGEST], _LIFETIME_SECONDS, self._seconds())
        except (InvalidToken, ValueError):  # the library lets some malformed base 64 through to its decoder
            content = b"[null, null]"
        binding, position = json.loads(content)
        if binding != _binding(principal, query):
            message = "cursor: not valid for this query; repeat the call without it to start over"
            raise InvalidCursorError(message)
        return position

    def _seconds(self) -> int:
        return self._clock() // SECOND


def _binding(principal: Principal, query: object) -> str:
    return hashlib.sha256(repr((principal.org, principal.user, query)).encode(errors="replace")).hexdigest()[:32]
