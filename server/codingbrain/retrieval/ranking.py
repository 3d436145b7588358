"""From the lanes' lists to a page of hits, within one view of the record.

An index may lag behind the record; the record is never wrong. So a hit counts only if the record confirms it, and only
those are looked up that could still come onto the page.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from codingbrain.clock import Micros
from codingbrain.domain.query import Hit, Lane, Query
from codingbrain.ports.matches import Match
from codingbrain.record.memories import Memories
from codingbrain.record.outbox import pending
from codingbrain.record.unit import Unit
from codingbrain.retrieval.backlog import Backlog
from codingbrain.retrieval.fuse import Fused, freshen, fuse, head
from codingbrain.retrieval.snippet import snippet
from codingbrain.retrieval.tuning import Tuning

SNIPPET: Final = 600
"""Characters of a memory's text in a hit."""

Lists = Mapping[Lane, Sequence[Match]]


@dataclass(frozen=True, slots=True)
class Page:
    """Hits, best first, and how many there are in all."""

    hits: tuple[Hit, ...]
    found: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """One ranking at one moment; `follows` counts what the vector lane has yet to take up."""

    tuning: Tuning
    follows: Backlog | None
    at: Micros

    def page(self, unit: Unit, query: Query, offset: int, lists: Lists) -> Page:
        """Fuse the lists and load the page that begins at `offset`."""
        memories, wanted = Memories(unit), offset + query.limit
        fused = fuse(lists, self.tuning.weights, self.tuning.method, self._unseen(unit, lists))
        near = head(fused, wanted, self.tuning.weights[Lane.RECENCY])
        ranked = self._confirmed(memories, query, near)
        if len(ranked) < wanted and len(near) < len(fused):
            near, ranked = fused, self._confirmed(memories, query, fused)
        chosen = ranked[offset:wanted]
        whole = memories.many([id_ for id_, _, _ in chosen])
        total = sum(self.tuning.weights[lane] for lane in (*lists, Lane.RECENCY)) or 1.0
        hits = (
            Hit(whole[id_], score / total, snippet(whole[id_].text, query.text, SNIPPET), why)
            for id_, score, why in chosen
        )
        return Page(tuple(hits), len(ranked) + len(fused) - len(near))

    def _confirmed(self, memories: Memories, query: Query, fused: Sequence[Fused]) -> list[Fused]:
        weight = self.tuning.weights[Lane.RECENCY]
        stamps = memories.stamps([id_ for id_, _, _ in fused], query.criteria)
        if weight > 0:
            return freshen(fused, stamps, self.tuning.half_life, self.at, weight)
        return [one for one in fused if one[0] in stamps]

    def _unseen(self, unit: Unit, lists: Lists) -> AbstractSet[UUID]:
        """What the lexical lane found and the vector lane could not know yet."""
        if self.follows is None or not self.follows.depth:
            return frozenset[UUID]()
        known = {match.id for match in lists.get(Lane.VECTOR, ())}
        missed = [match.id for match in lists.get(Lane.LEXICAL, ()) if match.id not in known]
        return frozenset(pending(unit, Lane.VECTOR, missed)) if missed else frozenset[UUID]()
