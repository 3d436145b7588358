"""Which DPoP proofs were seen already (RFC 9449, section 11.1), for as long as the nonce in them counts."""

from typing import Final

from codingbrain.errors import UnavailableError

MOST: Final = 1 << 19
"""Proofs remembered at a time, about 60 MB: more than one process can check while two nonces count."""

LIVING: Final = 2
"""Generations of nonces that count at a time."""


class Replays:
    """The memory of one process; its proofs carry nonces of this process only, so no other has to know them."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._newest = 0
        self._seen: dict[int, set[bytes]] = {}

    async def first(self, generation: int, key: bytes) -> bool:
        """Whether this key was not seen before with a nonce of this generation; asking makes it seen, in one step.

        A generation that no longer counts was seen, whatever the key.

        Raises:
            UnavailableError: nothing more can be remembered, so nothing may be accepted.
        """
        if generation > self._newest:
            self._newest = generation
            self._seen = {number: seen for number, seen in self._seen.items() if self._counts(number)}
        if not self._counts(generation):
            return False
        seen = self._seen.setdefault(generation, set())
        if key in seen:
            return False
        if sum(map(len, self._seen.values())) >= self._most:
            raise UnavailableError("too many proofs at a time; try again in a moment")
        seen.add(key)
        return True

    def _counts(self, generation: int) -> bool:
        return generation > self._newest - LIVING
