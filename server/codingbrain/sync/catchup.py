"""Catching up at start: whatever an index misses, has too old or has too much is mended from the record."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from loguru import logger

from codingbrain.clock import Clock
from codingbrain.domain.memory import State
from codingbrain.domain.query import Lane
from codingbrain.identity.operator import Operator
from codingbrain.ports.embedder import Model
from codingbrain.ports.lexical import DropText, LexicalEngine, PutText
from codingbrain.ports.vectors import DropVectors, VectorEngine
from codingbrain.record import outbox
from codingbrain.record.hydrate import indexable, live_versions, orgs
from codingbrain.record.unit import OperatorRecord
from codingbrain.retrieval.labels import facets_of, keywords_of

OPERATOR: Final = Operator("mend indexes after a start")

_PAGE: Final = 1_000
_BATCH: Final = 200

Versions = Sequence[tuple[UUID, int]]
Fetch = Callable[[UUID | None, int], Awaitable[Versions]]


class CatchUp:
    """Compares every tenant's indexes with the record, page by page, and mends what differs."""

    def __init__(self, record: OperatorRecord, clock: Clock) -> None:
        self._record = record
        self._clock = clock

    async def lexical(self, engine: LexicalEngine) -> int:
        """Bring the lexical index of all tenants up to date; how many objects differed."""
        mended = 0
        for org in await self._record.read(orgs):
            index = engine.tenant(self._record.operator.tenant(org))
            async for stale, extra in _drift(self._live(org), index.versions):
                found = await self._record.read(lambda session, ids=stale, own=org: indexable(session, own, ids))
                puts = [
                    PutText(id_, memory.version, facets_of(memory), memory.text, keywords_of(memory))
                    for id_, memory in found.items()
                ]
                gone = await self._gone(org, extra)
                await index.apply([*puts, *(DropText(id_, version) for id_, version in gone)])
                mended += len(puts) + len(gone)
        return _told(mended, Lane.LEXICAL)

    async def vectors(self, engine: VectorEngine, model: Model) -> int:
        """Queue what the vector index of this model lacks, for all tenants; how many objects differed."""
        mended = 0
        for org in await self._record.read(orgs):
            index = engine.tenant(self._record.operator.tenant(org), model)
            async for stale, extra in _drift(self._live(org), index.versions):
                at = self._clock()
                await self._record.write(
                    lambda session, ids=stale, own=org, when=at: outbox.enqueue_all(
                        session, own, Lane.VECTOR, ids, when
                    )
                )
                gone = await self._gone(org, extra)
                await index.apply([DropVectors(id_, version) for id_, version in gone])
                mended += len(stale) + len(gone)
        return _told(mended, Lane.VECTOR)

    async def _gone(self, org: UUID, extra: Versions) -> Versions:
        """Of what an index has and the record had not, what it still has not: writes go on between the two readings."""
        ids = [id_ for id_, _ in extra]
        found = await self._record.read(lambda session: indexable(session, org, ids))
        alive = {id_ for id_, memory in found.items() if memory.state is not State.DELETED}
        return [(id_, version) for id_, version in extra if id_ not in alive]

    def _live(self, org: UUID) -> Fetch:
        async def fetch(after: UUID | None, limit: int) -> Versions:
            return await self._record.read(lambda session: live_versions(session, org, after, limit))

        return fetch


def _told(mended: int, lane: Lane) -> int:
    if mended:
        logger.info("{} objects of the {} lane differed from the record and are being mended", mended, lane)
    return mended


async def _walk(fetch: Fetch) -> AsyncIterator[tuple[UUID, int]]:
    after: UUID | None = None
    while page := await fetch(after, _PAGE):
        for entry in page:
            yield entry
        after = page[-1][0]


async def _drift(record: Fetch, index: Fetch) -> AsyncIterator[tuple[list[UUID], list[tuple[UUID, int]]]]:
    """Batches of (ids that the index lacks or has too old, entries that the record lacks): a merge of two id orders."""
    wanted, held = _walk(record), _walk(index)
    want, have = await anext(wanted, None), await anext(held, None)
    stale: list[UUID] = []
    extra: list[tuple[UUID, int]] = []
    while want is not None or have is not None:
        if have is None or (want is not None and want[0] < have[0]):
            stale.append(want[0] if want else UUID(int=0))
            want = await anext(wanted, None)
        elif want is None or have[0] < want[0]:
            extra.append((have[0], have[1] + 1))
            have = await anext(held, None)
        else:
            if have[1] < want[1]:
                stale.append(want[0])
            want, have = await anext(wanted, None), await anext(held, None)
        if len(stale) + len(extra) >= _BATCH:
            yield stale, extra
            stale, extra = [], []
    if stale or extra:
        yield stale, extra
