"""One search: candidates from posting lists, then exact scores of the best of them.

FTS5's own ranking reads a length and computes a score for each match, which takes most of its time. Here it only lists
matches, at a tenth of that cost; which of them are worth scoring follows from the rarity of their words, from whether a
word occurs more than once, and from the norm that an entry carries. Words whose lists would break the budget are left
out of the choice of candidates, but not of the scores.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from codingbrain.ports.filters import Filter
from codingbrain.ports.lexical import TextQuery
from codingbrain.ports.matches import Match
from codingbrain.stores.lexical import bm25
from codingbrain.stores.lexical.conditions import Conditions
from codingbrain.stores.lexical.frequency import Frequencies, Scopes, rarest
from codingbrain.stores.lexical.lists import Entries, matching
from codingbrain.stores.lexical.match import OFTEN, ONCE, anywhere, every
from codingbrain.stores.lexical.texts import ASIDE, spaced
from codingbrain.stores.lexical.tokens import asked_for

Scores = NDArray[np.float64]

_PER_HIT: Final = 2
"""Candidates that are scored for each hit wanted, if that is more than the effort's depth."""

_OFTEN: Final = 2.3
"""The usual frequency of a word that occurs more than once."""

_MOST_WORDS: Final = 256

_SCOPES: Final = """
    SELECT scope, texts, words, changes FROM lexical_scopes
    WHERE org = ? AND audience IN (SELECT value FROM json_each(?)) AND texts > 0 ORDER BY scope"""
_ROWS: Final = """
    SELECT entry, object, created_at, labels, body, aside FROM lexical_texts
    WHERE entry IN (SELECT value FROM json_each(?))"""


@dataclass(frozen=True, slots=True)
class Effort:
    """How far a search goes: matches listed to choose candidates, and candidates scored at least."""

    budget: int = 40_000
    depth: int = 200


class Searches:
    """Searches of all tenants; safe to use from several threads."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._frequencies = Frequencies()

    def run(self, connection: Connection, org: UUID, query: TextQuery) -> list[Match]:
        """Answer a query from one snapshot of the database."""
        words = asked_for(" ".join((query.text, *query.phrases)))[:_MOST_WORDS]
        scopes = _visible(connection, org, query.filter)
        if not words or not scopes.texts or not all(query.filter.every) or query.limit < 1:
            return []
        holding = self._frequencies.of(connection, scopes, ONCE, words)
        conditions = Conditions(connection, self._frequencies, scopes, query)
        ranking = _Ranking(connection, scopes, holding, conditions)
        depth = max(self._effort.depth, _PER_HIT * query.limit)
        rare = rarest(holding, self._effort.budget)
        found = ranking.best(rare, depth)
        common = [word for word, count in holding.items() if count and word not in rare]
        if common and len(found) < query.limit:
            found = ranking.best([*rare, *common], depth)
        return [Match(UUID(bytes=object_), -score) for score, object_ in found[: query.limit]]


def _visible(connection: Connection, org: UUID, allowed: Filter) -> Scopes:
    rows = connection.exec_driver_sql(_SCOPES, (org.bytes, json.dumps(sorted(allowed.audiences)))).all()
    numbers, texts, words, changes = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Scopes(numbers, sum(texts), sum(words), sum(changes))


class _Ranking:
    """Texts in the order of their scores, as far as they were scored."""

    def __init__(
        self, connection: Connection, scopes: Scopes, holding: Mapping[str, int], conditions: Conditions
    ) -> None:
        self._connection = connection
        self._scopes = scopes
        self._conditions = conditions
        self._rarity = {word: bm25.rarity(scopes.texts, count) for word, count in holding.items() if count}
        self._patterns = [(spaced((word,)), rarity) for word, rarity in self._rarity.items()]
        self._average = max(1.0, scopes.words / scopes.texts)
        self._damping = bm25.damping(self._average).tolist()

    def best(self, words: Sequence[str], depth: int) -> list[tuple[float, bytes]]:
        """The best texts among those that hold one of the words, as negative score and id: `depth` at least, if any."""
        entries, rough = self._candidates(words)
        found: list[tuple[float, bytes]] = []
        count = depth
        while len(entries) and len(found) < depth:
            leading = _leading(rough, count)
            found += self._scored(entries[leading])
            entries, rough, count = entries[~leading], rough[~leading], 2 * count
        return sorted(found)

    def _candidates(self, words: Sequence[str]) -> tuple[Entries, Scores]:
        """Entries and their rough scores."""
        once, often = bm25.gains(1, self._average), bm25.gains(_OFTEN, self._average)
        lists = [self._listed(wanted) for wanted in self._conditions.required[:1]] or [np.empty(0, np.int64)]
        worth: list[Scores] = [np.zeros(len(lists[0]))]
        for word in words:
            for sign, gain in ((ONCE, once), (OFTEN, often - once)):
                lists.append(self._listed(anywhere(self._scopes.numbers, sign, (word,))))
                worth.append(np.float64(self._rarity[word]) * gain[lists[-1] & 255])
        entries, places = np.unique(np.concatenate(lists), return_inverse=True)
        scores = np.bincount(places, np.concatenate(worth)).astype(np.float64)
        if self._conditions.period is None:
            return entries, scores
        inside = np.isin(entries, self._conditions.period)
        return entries[inside], scores[inside]

    def _listed(self, wanted: str) -> Entries:
        return matching(self._connection, every((wanted, *self._conditions.narrowing), self._conditions.excluded))

    def _scored(self, entries: Entries) -> list[tuple[float, bytes]]:
        """The negative score and the id of those that pass."""
        rows = self._connection.exec_driver_sql(_ROWS, (json.dumps(entries.tolist()),)).all()
        return [
            (-self._score(entry, body, aside), object_)
            for entry, object_, created_at, labels, body, aside in rows
            if self._conditions.accepts(created_at, labels, body, aside)
        ]

    def _score(self, entry: int, body: str, aside: str) -> float:
        damping = self._damping[entry & 255]
        score = 0.0
        for pattern, rarity in self._patterns:
            if frequency := body.count(pattern) + ASIDE * aside.count(pattern):
                score += rarity * frequency / (frequency + damping)
        return score * (bm25.K1 + 1)


def _leading(rough: Scores, count: int) -> NDArray[np.bool_]:
    """Which are the best `count`, with all that tie with the last of them."""
    return rough >= (np.partition(rough, -count)[-count] if count < len(rough) else -np.inf)
