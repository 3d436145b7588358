"""Tokens that were verified a moment ago, so that a busy caller does not cost a read of the record at each call."""

import hashlib
from typing import Final

from codingbrain.clock import SECOND, Clock, Micros
from codingbrain.identity.principal import Principal

WINDOW: Final[Micros] = SECOND
"""How long a verification counts: a revocation in another process takes effect within this."""

_MOST: Final = 1_024


class Recent:
    """Principals by the digest of their token."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[bytes, tuple[Micros, Micros, Principal]] = {}
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Changes when everything is forgotten; take it before reading what is then put."""
        return self._epoch

    def get(self, token: str) -> Principal | None:
        """Who holds the token, if that was found out within the window and the token has not expired since."""
        since, until, principal = self._seen.get(_digest(token), (0, 0, None))
        return principal if since <= self._clock() < until else None

    def put(self, token: str, principal: Principal, epoch: int) -> None:
        """Remember, unless everything was forgotten since `epoch`."""
        if epoch != self._epoch:
            return
        if len(self._seen) >= _MOST:
            self._seen.clear()
        now = self._clock()
        until = now + WINDOW if principal.expires_at is None else min(now + WINDOW, principal.expires_at)
        self._seen[_digest(token)] = (now, until, principal)

    def forget(self) -> None:
        """Verify every token anew."""
        self._epoch += 1
        self._seen.clear()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
