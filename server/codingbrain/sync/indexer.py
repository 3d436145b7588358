"""The indexer of the vector lane: takes up what the outbox names, in the record's newest version.

At least once, in order, and idempotent: it reads the current row, so an entry that was overtaken by a later one
costs at most a comparison. A text that did not change is not embedded again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final
from uuid import UUID

import anyio.to_thread
from loguru import logger

from codingbrain.clock import SECOND, Clock
from codingbrain.domain.memory import Memory, State
from codingbrain.domain.query import Lane
from codingbrain.errors import CodingbrainError, InternalError
from codingbrain.identity.operator import Operator
from codingbrain.ports.embedder import Embedder
from codingbrain.ports.vectors import DropVectors, PutVectors, Relabel, VectorChange, VectorEngine
from codingbrain.record import outbox
from codingbrain.record.hydrate import indexable
from codingbrain.record.outbox import Entry
from codingbrain.record.unit import OperatorRecord
from codingbrain.retrieval.backlog import Backlog
from codingbrain.retrieval.labels import facets_of

OPERATOR: Final = Operator("bring the vector lane up to date")

_BATCH: Final = 32
"""Objects taken up at once: enough to fill the model's batches, few enough that a new memory is found soon."""

_PATROL_SECONDS: Final = 5.0
"""How often entries that were postponed are looked for when nothing new arrives."""


class Indexer:
    """Brings the vector lane of all tenants up to date, one batch after another."""

    def __init__(
        self,
        record: OperatorRecord,
        vectors: VectorEngine,
        embedder: Embedder,
        backlog: Backlog,
        clock: Clock,
    ) -> None:
        self._record = record
        self._vectors = vectors
        self._embedder = embedder
        self._backlog = backlog
        self._clock = clock

    async def run(self) -> None:
        """Work until cancelled."""
        step = self._begin
        while True:
            try:
                taken = await step()
                step = self._batch
            except CodingbrainError as error:
                # The record itself does not answer: nothing is lost, the entries are still there.
                logger.warning("the vector lane cannot be brought up to date now: {}", error.message)
                taken = 0
            if not taken:
                await self._backlog.added(_PATROL_SECONDS)

    async def _begin(self) -> int:
        """Give what failed before this start another round; there may be something to do."""
        await self._record.write(lambda session: outbox.revive(session, self._clock()))
        await self._count()
        return self._backlog.depth

    async def _batch(self) -> int:
        """Take up the oldest entries; how many there were."""
        at = self._clock()
        entries = await self._record.read(lambda session: outbox.due(session, Lane.VECTOR, at, _BATCH))
        self._backlog.aged((at - entries[0].created_at) / SECOND if entries else 0)
        for org, of_org in groupby(sorted(entries, key=attrgetter("org")), key=attrgetter("org")):
            await self._take_up(org, list(of_org))
        if not entries:
            await self._count()
        return len(entries)

    async def _take_up(self, org: UUID, entries: Sequence[Entry]) -> None:
        """Take up entries of one tenant; if they fail together, each on its own: one must not hold up the rest."""
        try:
            await self._apply(org, sorted({entry.object for entry in entries}))
        except Exception as error:  # noqa: BLE001 - a text that breaks the model must not end the indexing of others
            if len(entries) > 1:
                for entry in entries:
                    await self._take_up(org, [entry])
            else:
                await self._give_back(entries[0], error)
        else:
            await self._record.write(lambda session: outbox.done(session, entries))
            self._backlog.remove(len(entries))

    async def _give_back(self, entry: Entry, error: Exception) -> None:
        """Postpone what may succeed later; what cannot is dead, and its memory says so."""
        retryable = isinstance(error, CodingbrainError) and error.retryable
        code, at = getattr(error, "code", InternalError.code), self._clock()
        logger.opt(exception=error).warning("a change could not be indexed: {}", code)
        await self._record.write(lambda session: outbox.give_back(session, entry, code, at, retryable=retryable))
        await self._count()

    async def _apply(self, org: UUID, ids: Sequence[UUID]) -> None:
        index = self._vectors.tenant(self._record.operator.tenant(org), self._embedder.model)
        found = await self._record.read(lambda session: indexable(session, org, ids))
        live = {id_: memory for id_, memory in found.items() if memory.state is not State.DELETED}
        digests = await index.digests(list(live))
        fresh = [memory for id_, memory in live.items() if digests.get(id_) != _digest(memory)]
        changes: list[VectorChange] = [*_relabels(live, digests), *_drops(found)]
        changes += await _embedded(fresh, self._embedder)
        await index.apply(changes)

    async def _count(self) -> None:
        count, _ = await self._record.read(lambda session: outbox.depth(session, Lane.VECTOR))
        self._backlog.set(count)


def _digest(memory: Memory) -> bytes:
    return hashlib.sha256(memory.text.encode(errors="replace")).digest()


def _relabels(live: Mapping[UUID, Memory], digests: Mapping[UUID, bytes]) -> list[VectorChange]:
    return [
        Relabel(id_, memory.version, facets_of(memory))
        for id_, memory in live.items()
        if digests.get(id_) == _digest(memory)
    ]


def _drops(found: Mapping[UUID, Memory]) -> list[VectorChange]:
    return [DropVectors(id_, memory.version) for id_, memory in found.items() if memory.state is State.DELETED]


async def _embedded(fresh: Sequence[Memory], embedder: Embedder) -> list[VectorChange]:
    if not fresh:
        return []
    texts = [memory.text for memory in fresh]
    pieces = await anyio.to_thread.run_sync(lambda: [embedder.split(text) for text in texts])
    vectors = await embedder.documents([piece for of_one in pieces for piece in of_one])
    changes: list[VectorChange] = []
    start = 0
    for memory, of_one in zip(fresh, pieces, strict=True):
        own = vectors[start : start + len(of_one)]
        start += len(of_one)
        changes.append(PutVectors(memory.id, memory.version, facets_of(memory), _digest(memory), own))
    return changes
