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
from codingbrain.domain.memory import Visibility
from codingbrain.domain.query import Hit, Lane, Query
from codingbrain.identity.visibility import SPECIFICITY
from codingbrain.ports.matches import Match
from codingbrain.record.memories import Memories, Stamp
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
        stamps = memories.stamps(_ids(near), query.criteria)
        if len(near) < len(fused) and (len(stamps) < wanted or _may_be_shadowed(stamps, query)):
            near, stamps = fused, memories.stamps(_ids(fused), query.criteria)
        ranked = self._ranked(near, _unshadowed(stamps))
        chosen = ranked[offset:wanted]
        whole = memories.many(_ids(chosen))
        total = sum(self.tuning.weights[lane] for lane in (*lists, Lane.RECENCY)) or 1.0
        hits = (
            Hit(whole[id_], score / total, snippet(whole[id_].text, query.text, SNIPPET), why)
            for id_, score, why in chosen
        )
        return Page(tuple(hits), len(ranked) + len(fused) - len(near))

    def _ranked(self, fused: Sequence[Fused], changed: Mapping[UUID, Micros]) -> list[Fused]:
        """Those that were confirmed, with when they were last changed."""
        weight = self.tuning.weights[Lane.RECENCY]
        if weight > 0:
            return freshen(fused, changed, self.tuning.half_life, self.at, weight)
        return [one for one in fused if one[0] in changed]

    def _unseen(self, unit: Unit, lists: Lists) -> AbstractSet[UUID]:
        """What the lexical lane found and the vector lane could not know yet."""
        if self.follows is None or not self.follows.depth:
            return frozenset[UUID]()
        known = {match.id for match in lists.get(Lane.VECTOR, ())}
        missed = [match.id for match in lists.get(Lane.LEXICAL, ()) if match.id not in known]
        return frozenset(pending(unit, Lane.VECTOR, missed)) if missed else frozenset[UUID]()


def _ids(fused: Sequence[Fused]) -> list[UUID]:
    return [id_ for id_, _, _ in fused]


def _may_be_shadowed(stamps: Mapping[UUID, Stamp], query: Query) -> bool:
    """Whether any could have a copy with more specific visibility further down."""
    most = Visibility.USER if query.criteria.session is None else Visibility.SESSION
    return any(stamp.visibility is not most for stamp in stamps.values())


def _unshadowed(stamps: Mapping[UUID, Stamp]) -> dict[UUID, Micros]:
    """Without those whose text is there with more specific visibility."""
    best: dict[bytes, int] = {}
    for stamp in stamps.values():
        best[stamp.digest] = max(SPECIFICITY[stamp.visibility], best.get(stamp.digest, SPECIFICITY[stamp.visibility]))
    return {id_: one.updated_at for id_, one in stamps.items() if SPECIFICITY[one.visibility] == best[one.digest]}
