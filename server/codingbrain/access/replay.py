"""Which DPoP proofs were seen already (RFC 9449, section 11.1), for as long as the nonce in them counts."""

from collections import Counter
from typing import Final

from codingbrain.errors import UnavailableError

MOST: Final = 1 << 19
"""Proofs remembered at a time, about 60 MB: more than one process can check while two nonces count."""

SHARES: Final = 16
"""Into so many the memory is divided once half of it is used, so that no key fills it for all."""

LIVING: Final = 2
"""Generations of nonces that count at a time."""


class Replays:
    """The memory of one process; its proofs carry nonces of this process only, so no other has to know them."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._newest = 0
        self._seen: dict[int, set[bytes]] = {}
        self._held: dict[int, Counter[str]] = {}

    async def first(self, generation: int, holder: str, proof: bytes) -> bool:
        """Whether this proof was not seen before with a nonce of this generation; asking makes it seen, in one step.

        A generation that no longer counts was seen, whatever the proof. `holder` is the thumbprint of its key.

        Raises:
            UnavailableError: nothing more can be remembered, of this holder or of all, so nothing may be accepted.
        """
        if generation > self._newest:
            self._newest = generation
            self._seen = {number: seen for number, seen in self._seen.items() if self._counts(number)}
            self._held = {number: held for number, held in self._held.items() if self._counts(number)}
        if not self._counts(generation):
            return False
        seen = self._seen.setdefault(generation, set())
        if proof in seen:
            return False
        if self._is_full(holder):
            raise UnavailableError("too many proofs at a time; try again in a moment")
        seen.add(proof)
        self._held.setdefault(generation, Counter())[holder] += 1
        return True

    def _is_full(self, holder: str) -> bool:
        used = sum(map(len, self._seen.values()))
        if 2 * used < self._most:
            return False
        return used >= self._most or sum(held[holder] for held in self._held.values()) * SHARES >= self._most

    def _counts(self, generation: int) -> bool:
        return generation > self._newest - LIVING
