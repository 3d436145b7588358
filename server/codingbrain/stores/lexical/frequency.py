"""How many texts hold a word, remembered where counting is dear: common words stay common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from codingbrain.stores.lexical.match import anywhere

_REMEMBERED: Final = 1 << 14
_COMMON: Final = 1_000
"""Counts from here on are remembered; smaller ones are cheap, and a new word must be found at once."""

_DRIFT: Final = 32
"""A remembered count serves until one in so many texts has changed."""

_COUNT: Final = "SELECT count(*) FROM lexical WHERE lexical MATCH ?"


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a query may see: the numbers of its scopes; their texts, words, and changes so far."""

    numbers: tuple[int, ...]
    texts: int
    words: int
    changes: int


class Frequencies:
    """Document frequencies among the texts that a query may see; safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, connection: Connection, scopes: Scopes, kind: str, words: Iterable[str]) -> dict[str, int]:
        """The frequency of each word; `kind` is one of the marks of `match`."""
        return {word: self._of(connection, scopes, anywhere(scopes.numbers, kind, (word,))) for word in words}

    def _of(self, connection: Connection, scopes: Scopes, expression: str) -> int:
        known = self._known.get(expression)
        if known and abs(scopes.changes - known[1]) * _DRIFT <= scopes.texts:
            return known[0]
        counted = connection.exec_driver_sql(_COUNT, (expression,)).scalar_one()
        if counted >= _COMMON:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[expression] = (counted, scopes.changes)
        return counted


def rarest(frequencies: dict[str, int], budget: int) -> Sequence[str]:
    """The words that occur, rare ones first, as long as they match no more than `budget` texts; one in any case."""
    chosen: list[str] = []
    matched = 0
    for word in sorted(filter(frequencies.get, frequencies), key=lambda word: (frequencies[word], word)):
        matched += frequencies[word]
        if chosen and matched > budget:
            break
        chosen.append(word)
    return chosen
