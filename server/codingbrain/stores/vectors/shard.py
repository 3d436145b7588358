"""One tenant's vectors in memory: a scan of sign bits, then exact scores of the nearest.

Signs keep the order of cosines well enough to choose candidates (Charikar, STOC 2002), if they are taken around the
mean of the vectors: embeddings of one model lean to one side, and their plain signs have much in common. The candidates
are scored from 16-bit floats; where few objects pass the filter, all of them are. Rows are only ever appended: a change
retires the object's old place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from codingbrain.ports.filters import Facets, Filter
from codingbrain.ports.matches import Match
from codingbrain.ports.vectors import Floats, VectorQuery

_DIRECT: Final = 4_096
"""Matching rows up to which all are scored."""

_OVERSAMPLING: Final = 30
"""Candidates per hit wanted."""

_FEWEST: Final = 1_000
"""Candidates at least."""

_RETIRED: Final = -1


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the database has it."""

    id: UUID
    facets: Facets
    vectors: Floats


class Column:
    """A growable array; readers may keep a view of what was there while more is appended."""

    def __init__(self, dtype: Any, width: tuple[int, ...] = ()) -> None:  # noqa: ANN401 - numpy's own looseness
        self._array = np.empty((256, *width), dtype)
        self.size = 0

    def append(self, values: NDArray[Any]) -> None:
        """Append along the first axis."""
        needed = self.size + len(values)
        if needed > len(self._array):
            grown = np.empty((max(needed, len(self._array) * 3 // 2), *self._array.shape[1:]), self._array.dtype)
            grown[: self.size] = self._array[: self.size]
            self._array = grown
        self._array[self.size : needed] = values
        self.size = needed

    @property
    def view(self) -> NDArray[Any]:
        """What is there."""
        return self._array[: self.size]

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self._array.nbytes


class Shard:
    """The vectors of one tenant and model; safe to search from several threads while one changes it."""

    def __init__(self, dimension: int) -> None:
        self._lock = Lock()
        self._dimension = dimension
        self._center = np.zeros(dimension, np.float32)
        self._centered_rows = _DIRECT // 2
        self._bits = self._no_bits()
        self._floats = Column(np.float16, (dimension,))
        self._owner = Column(np.int32)
        self._audience = Column(np.int32)
        self._created = Column(np.int64)
        self._first_label = Column(np.int64)
        self._labels = Column(np.int32)
        self._ids: list[UUID] = []
        self._rows: list[tuple[int, int]] = []
        self._places: dict[UUID, int] = {}
        self._codes: dict[str, int] = {"": 0}
        self._masks: dict[Filter, NDArray[np.bool_]] = {}

    @property
    def nbytes(self) -> int:
        """Memory taken, about."""
        columns = (*self._bits, self._floats, self._owner, self._audience, self._created, self._labels)
        return sum(column.nbytes for column in columns) + 400 * len(self._ids)

    def put(self, objects: Sequence[Stored]) -> None:
        """Add objects, or replace them."""
        with self._lock:
            for stored in objects:
                self._retire(stored.id)
                self._append(stored)
            self._masks.clear()
            self._compact()
            if self._owner.size >= 2 * self._centered_rows:
                self._recenter()

    def relabel(self, id: UUID, facets: Facets) -> None:
        """Give an object new facets; unknown ones are ignored."""
        with self._lock:
            place = self._places.get(id)
            if place is None:
                return
            start, end = self._rows[place]
            stored = Stored(id, facets, self._floats.view[start:end].astype(np.float32))
            self._retire(id)
            self._append(stored)
            self._masks.clear()

    def drop(self, ids: Iterable[UUID]) -> None:
        """Forget objects."""
        with self._lock:
            for id_ in ids:
                self._retire(id_)
            self._masks.clear()
            self._compact()

    def search(self, query: VectorQuery) -> list[Match]:
        """The nearest objects that pass the filter."""
        with self._lock:
            allowed = self._allowed(query.filter)
            owner, floats, ids = self._owner.view, self._floats.view, self._ids
            bits, center = [column.view for column in self._bits], self._center
        rows = np.flatnonzero(allowed[owner])
        wanted = max(_FEWEST, query.limit * _OVERSAMPLING)
        while True:
            near = rows if len(rows) <= max(_DIRECT, wanted) else _nearest(rows, bits, query.vector - center, wanted)
            best = _best(owner[near], _cosines(floats[near], query.vector), query.limit)
            if len(near) == len(rows) or len(best) >= query.limit:
                break
            wanted *= 4
        matches = [Match(ids[place], score) for place, score in best.items()]
        return sorted(matches, key=lambda match: (-match.score, match.id))[: query.limit]

    def _append(self, stored: Stored) -> None:
        place, start = len(self._ids), self._owner.size
        self._ids.append(stored.id)
        self._rows.append((start, start + len(stored.vectors)))
        self._places[stored.id] = place
        self._floats.append(stored.vectors.astype(np.float16))
        self._mark(stored.vectors)
        self._owner.append(np.full(len(stored.vectors), place, np.int32))
        self._audience.append(np.array([self._code(stored.facets.audience)], np.int32))
        self._created.append(np.array([stored.facets.created_at], np.int64))
        self._first_label.append(np.array([self._labels.size], np.int64))
        # Every object has the empty label, because a reduction over an empty slice would take its neighbour's.
        self._labels.append(np.array([0, *map(self._code, sorted(stored.facets.labels))], np.int32))

    def _no_bits(self) -> tuple[Column, ...]:
        return tuple(Column(np.uint64) for _ in range(-(-self._dimension // 64)))

    def _mark(self, vectors: Floats) -> None:
        for column, words in zip(self._bits, _signs(vectors - self._center), strict=True):
            column.append(words)

    def _recenter(self) -> None:
        """Take the signs around the mean of what is here now; done each time that the rows have doubled."""
        floats, rows = self._floats.view, self._owner.size
        self._center = floats.mean(axis=0, dtype=np.float32)
        self._centered_rows = rows
        self._bits = self._no_bits()
        for start in range(0, rows, _DIRECT):
            self._mark(floats[start : start + _DIRECT].astype(np.float32))

    def _retire(self, id_: UUID) -> None:
        place = self._places.pop(id_, None)
        if place is not None:
            self._audience.view[place] = _RETIRED

    def _compact(self) -> None:
        """Copy what lives once most of the places are retired."""
        if len(self._ids) < 2 * len(self._places) + 1_024:
            return
        names = {code: name for name, code in self._codes.items()}
        living = [self._stored(place, names) for place in self._places.values()]
        fresh = Shard(self._dimension)
        fresh.put(living)
        lock = self._lock
        self.__dict__.update(fresh.__dict__)
        self._lock = lock

    def _stored(self, place: int, names: dict[int, str]) -> Stored:
        start, end = self._rows[place]
        labels = self._labels.view
        until = self._first_label.view[place + 1] if place + 1 < len(self._ids) else len(labels)
        own = frozenset(names[int(code)] for code in labels[self._first_label.view[place] + 1 : until])
        facets = Facets("", names[int(self._audience.view[place])], own, int(self._created.view[place]))
        return Stored(self._ids[place], facets, self._floats.view[start:end].astype(np.float32))

    def _code(self, label: str) -> int:
        return self._codes.setdefault(label, len(self._codes))

    def _allowed(self, wanted: Filter) -> NDArray[np.bool_]:
        """Which places pass; kept until the next change, because callers ask the same way again and again."""
        mask = self._masks.get(wanted)
        if mask is None:
            if len(self._masks) > 64:  # noqa: PLR2004 - a small cache
                self._masks.clear()
            mask = self._masks[wanted] = self._filtered(wanted)
        return mask

    def _filtered(self, wanted: Filter) -> NDArray[np.bool_]:
        audiences = [self._codes[audience] for audience in wanted.audiences if audience in self._codes]
        mask = np.isin(self._audience.view, audiences)
        for group in wanted.every:
            mask &= self._labelled(group)
        if wanted.none:
            mask &= ~self._labelled(wanted.none)
        if wanted.since is not None:
            mask &= self._created.view >= wanted.since
        if wanted.until is not None:
            mask &= self._created.view < wanted.until
        return mask

    def _labelled(self, group: frozenset[str]) -> NDArray[np.bool_]:
        named = np.zeros(len(self._codes), np.bool_)
        named[[self._codes[label] for label in group if label in self._codes]] = True
        if not len(self._ids):
            return np.zeros(0, np.bool_)
        return np.logical_or.reduceat(named[self._labels.view], self._first_label.view)


def _signs(vectors: Floats) -> NDArray[np.uint64]:
    """The sign bits, as shape (words, vectors): the scan runs along vectors, word by word."""
    packed = np.packbits(vectors > 0, axis=-1)
    padded = np.zeros((len(vectors), -(-packed.shape[-1] // 8) * 8), np.uint8)
    padded[:, : packed.shape[-1]] = packed
    return np.ascontiguousarray(padded.view(np.uint64).T)


def _nearest(
    rows: NDArray[np.intp], bits: Sequence[NDArray[np.uint64]], vector: Floats, wanted: int
) -> NDArray[np.intp]:
    """The `wanted` rows with the fewest differing signs."""
    differing = np.zeros(len(rows), np.uint16)
    every = len(rows) == len(bits[0])
    for words, word in zip(bits, _signs(vector[None, :])[:, 0], strict=True):
        differing += np.bitwise_count((words if every else words[rows]) ^ word)
    return rows[np.argpartition(differing, wanted)[:wanted]]


def _cosines(floats: NDArray[np.float16], vector: Floats) -> Floats:
    """Scores of shape (rows,); not by BLAS, whose own threads fight with everybody else's."""
    return np.einsum("rd,d->r", floats.astype(np.float32), vector)


def _best(owners: NDArray[np.int32], scores: Floats, limit: int) -> dict[int, float]:
    """The places with the best scores, at least `limit` and all that tie with the last one."""
    best: dict[int, float] = {}
    last = -np.inf
    for row in np.argsort(-scores, kind="stable"):
        if len(best) >= limit and scores[row] < last:
            break
        if (place := int(owners[row])) not in best:
            best[place] = last = float(scores[row])
    return best
