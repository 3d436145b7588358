"""One tenant's vectors in memory.

An object has a place, and a row for each of its chunks. Both are only ever appended and a change retires the old place,
so that a search goes on undisturbed with what there was when it began. Many rows are first narrowed by their signs.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from codingbrain.ports.matches import Match
from codingbrain.ports.vectors import Floats, VectorQuery
from codingbrain.stores.vectors.codes import cosines, decode
from codingbrain.stores.vectors.column import Column
from codingbrain.stores.vectors.facets import Facets
from codingbrain.stores.vectors.rows import Batch, halves
from codingbrain.stores.vectors.signs import Signs

_CANDIDATES: Final = 4_000
"""Rows that are scored at least: of 100,000 rows they hold more than 99 in 100 of the ten nearest."""

_OVERSAMPLING: Final = 50
"""Rows that are scored for each object wanted."""

_SPARE: Final = 1_024
"""Retired places that are always kept."""


class Shard:
    """The vectors of one tenant and model; one thread may change it while others search."""

    def __init__(self, dimension: int, room: int = 0) -> None:
        self._lock = Lock()
        self._dimension = dimension
        self._codes = Column(np.int16, (dimension,), room)
        self._factors = Column(np.float32, room=room)
        self._owners = Column(np.int32, room=room)
        self._objects = Column(np.uint64, (2,), room)
        self._alive = Column(np.bool_, room=room)
        self._facets = Facets()
        self._signs: Signs | None = None

    @property
    def nbytes(self) -> int:
        """Memory taken, about."""
        columns = (self._codes, self._factors, self._owners, self._objects, self._alive)
        signs = self._signs.nbytes if self._signs else 0
        return sum(column.nbytes for column in columns) + self._facets.nbytes + signs

    def change(self, changed: Sequence[bytes], added: Batch) -> None:
        """Take in objects: `changed` names those that may be there already, `added` holds what they are now."""
        old = [self._places(object_) for object_ in halves(changed)]
        with self._lock:
            for places in old:
                self._alive.view[places] = False
            codes, factors = added.records["codes"], added.records["factor"]
            if self._signs:
                self._signs.append(decode(codes, factors))
            self._codes.append(codes)
            self._factors.append(factors)
            self._place(added)

    def search(self, query: VectorQuery) -> list[Match]:
        """The nearest objects that pass the filter."""
        with self._lock:
            allowed = self._facets.allowed(query.filter) & self._alive.view
            codes, factors, owners = self._codes.view, self._factors.view, self._owners.view
            scan = self._signs.view() if self._signs else None
            objects = self._objects.view
        rows = np.flatnonzero(allowed[owners])
        wanted = max(_CANDIDATES, query.limit * _OVERSAMPLING)
        while True:
            some = rows if scan is None or len(rows) <= wanted else scan.nearest(query.vector, rows, wanted)
            best = _best(owners[some], cosines(codes[some], factors[some], query.vector), query.limit)
            if len(some) == len(rows) or len(best) >= query.limit:
                break
            wanted *= 4
        matches = [Match(_uuid(objects[place]), score) for place, score in best.items()]
        return sorted(matches, key=lambda match: (-match.score, match.id))[: query.limit]

    def tidied(self) -> "Shard":
        """This shard, or a copy of what is alive once most is not; with new signs each time the rows have doubled."""
        alive = self._alive.view
        if len(alive) > 2 * int(alive.sum()) + _SPARE:
            return self._copied().tidied()
        self._sign()
        return self

    def _places(self, object_: NDArray[np.uint64]) -> NDArray[np.intp]:
        objects = self._objects.view
        alike = np.flatnonzero(objects[:, 1] == object_[1])
        return alike[objects[alike, 0] == object_[0]]

    def _place(self, added: Batch) -> None:
        start = len(self._objects.view)
        self._owners.append(np.repeat(np.arange(start, start + len(added.objects)), added.chunks))
        self._objects.append(added.objects)
        self._alive.append(np.ones(len(added.objects), np.bool_))
        self._facets.created.append(added.created)
        for postings, lists in ((self._facets.audiences, added.audiences), (self._facets.labels, added.labels)):
            for name, positions in lists.items():
                postings.append(name, np.add(positions, start))

    def _copied(self) -> "Shard":
        alive, owners = self._alive.view, self._owners.view
        target = np.where(alive, np.cumsum(alive) - 1, -1).astype(np.int32)
        rows = np.flatnonzero(alive[owners])
        copy = Shard(self._dimension, len(rows))
        copy._codes.append(self._codes.view[rows])
        copy._factors.append(self._factors.view[rows])
        copy._owners.append(target[owners[rows]])
        copy._objects.append(self._objects.view[alive])
        copy._alive.append(alive[alive])
        copy._facets = self._facets.moved(target)
        return copy

    def _sign(self) -> None:
        """Not under the lock, since it takes a while; only the one thread that changes the shard comes here."""
        rows = len(self._codes.view)
        if rows >= 2 * (self._signs.centered if self._signs else _CANDIDATES // 2):
            signs = Signs(self._codes.view, self._factors.view)
            with self._lock:
                self._signs = signs


def _best(owners: NDArray[np.int32], scores: Floats, limit: int) -> dict[int, float]:
    """The places with the best scores: at least `limit` if there are, and all that tie with the last one."""
    best: dict[int, float] = {}
    last = -np.inf
    for row in np.argsort(-scores):
        if len(best) >= limit and scores[row] < last:
            break
        if (place := int(owners[row])) not in best:
            best[place] = last = float(scores[row])
    return best


def _uuid(halves: NDArray[np.uint64]) -> UUID:
    return UUID(int=int(halves[0]) << 64 | int(halves[1]))
