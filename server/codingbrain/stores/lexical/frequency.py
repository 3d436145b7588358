"""How many texts hold a word, remembered: counting is dear for common words, and they stay common."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

_REMEMBERED: Final = 50_000
_STALE: Final = 1.2
"""Growth of the collection after which a word is counted again."""

_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM lexical WHERE lexical MATCH ? LIMIT ?)"
_SIZE: Final = "SELECT max(rowid) FROM lexical_objects"
_ENOUGH: Final = 50_000
"""A word that is more common than this is simply common."""


class Frequencies:
    """Document frequencies of words; an estimate that decides what to leave out, never a score."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def of(self, connection: Connection, words: Sequence[str]) -> dict[str, int]:
        """The frequency of each word."""
        size = connection.exec_driver_sql(_SIZE).scalar() or 0
        return {word: self._of(connection, word, size) for word in words}

    def _of(self, connection: Connection, word: str, size: int) -> int:
        known = self._known.get(word)
        if known is None or size > known[1] * _STALE + 100:
            expression = f'{{body keywords wholes}} : "{word}"'
            count = connection.exec_driver_sql(_COUNT, (expression, _ENOUGH)).scalar() or 0
            known = self._known[word] = (count, size)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known[0]


def kept(frequencies: dict[str, int], limit: int, budget: int) -> list[str]:
    """The rarest words that together match no more than `budget` texts, but enough of them to fill `limit`."""
    chosen: list[str] = []
    matched = 0
    for word in sorted(frequencies, key=lambda word: (frequencies[word], word)):
        if matched + frequencies[word] > budget and matched >= limit:
            break
        chosen.append(word)
        matched += frequencies[word]
    return chosen
