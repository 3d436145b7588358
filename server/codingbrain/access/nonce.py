"""Nonces for DPoP proofs (RFC 9449, section 9), made anew at every start, so that no proof outlives the process."""

import secrets
from collections.abc import Callable
from typing import Final

from codingbrain.clock import SECOND, Clock, Micros

PERIOD: Final[Micros] = 60 * SECOND
"""How long a nonce is given out; it is taken for as long again."""


def _random() -> str:
    return secrets.token_urlsafe(18)


class Nonces:
    """A nonce at a time, and the one before it; each belongs to a generation, and later ones have higher numbers."""

    def __init__(self, clock: Clock, make: Callable[[], str] = _random) -> None:
        self._clock = clock
        self._make = make
        self._current, self._former = make(), None
        self._generation = 0
        self._since = clock()

    def nonce(self) -> str:
        """What the next proof should contain."""
        self._turn()
        return self._current

    def generation(self, nonce: object) -> int | None:
        """The generation of a nonce that a proof may contain now; a nonce that was refused once stays refused."""
        self._turn()
        if nonce == self._current:
            return self._generation
        return self._generation - 1 if nonce is not None and nonce == self._former else None

    def _turn(self) -> None:
        """Make another when it is time, or when the clock was set back, since then nobody knows."""
        age = self._clock() - self._since
        if not 0 <= age < PERIOD:
            self._former = self._current if 0 <= age < 2 * PERIOD else None
            self._current = self._make()
            self._generation += 1
            self._since += age
