"""How many streams one user may hold open."""

from collections import Counter
from typing import Final
from uuid import UUID

from codingbrain.errors import RateLimitedError
from codingbrain.identity.principal import Principal

RETRY_SECONDS: Final = 5.0
"""When a place may have become free."""


class Places:
    """Counts what is open, by org and user; one for all gates of a process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[tuple[UUID, UUID]] = Counter()

    def take(self, principal: Principal) -> None:
        """Hold a place until `free`.

        Raises:
            RateLimitedError: the user has all of theirs.
        """
        holder = (principal.org, principal.user)
        if self._taken.get(holder, 0) >= self._most:
            raise RateLimitedError(f"At most {self._most} streams may be open; close one first.", RETRY_SECONDS)
        self._taken[holder] += 1

    def free(self, principal: Principal) -> None:
        """Give a place back."""
        holder = (principal.org, principal.user)
        self._taken[holder] -= 1
        if not self._taken[holder]:
            del self._taken[holder]
