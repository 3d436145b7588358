"""Vectors as rows of the record's database, searched in memory: the embedded vector engine.

The rows are what lasts; a tenant's shard is loaded from them when it is first searched, and the least recently used
shards are let go when they take more than the budget.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID

import anyio
import anyio.to_thread
import numpy as np
from anyio import CapacityLimiter
from sqlalchemy import Connection

from codingbrain.errors import InvalidArgumentError
from codingbrain.identity.principal import Tenant
from codingbrain.ports.embedder import Model
from codingbrain.ports.matches import Match
from codingbrain.ports.sql import Sql
from codingbrain.ports.vectors import Floats, PutVectors, VectorChange, VectorQuery
from codingbrain.stores.vectors import rows
from codingbrain.stores.vectors.rows import Key
from codingbrain.stores.vectors.shard import Shard

BUDGET: Final = 1024 * 1024 * 1024

_THREADS: Final = 2


class Exact:
    """The engine; one instance per process, which alone writes the database. `budget` is in bytes of memory."""

    def __init__(self, sql: Sql, budget: int = BUDGET) -> None:
        self._sql = sql
        self._budget = budget
        self._threads = CapacityLimiter(_THREADS)
        self._indexes: OrderedDict[Key, ExactVectors] = OrderedDict()

    async def prepare(self) -> None:
        """Create the tables; drop those of another layout."""
        await self._sql.write(rows.prepare)

    async def check(self) -> None:
        """Read one row."""
        await self._sql.read(lambda connection: connection.exec_driver_sql("SELECT layout FROM vectors_layout").all())

    def tenant(self, tenant: Tenant, model: Model) -> "ExactVectors":
        """The tenant's index for one model."""
        key = (tenant.org.bytes, model.key)
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = ExactVectors(self._sql, self._threads, key, model.dimension)
        self._indexes.move_to_end(key)
        self._spare(key)
        return index

    def _spare(self, used: Key) -> None:
        """Unload the least recently used until the rest fits."""
        taken = sum(index.nbytes for index in self._indexes.values())
        for key, index in self._indexes.items():
            if taken <= self._budget or key == used:
                return
            taken -= index.nbytes
            index.unload()


class ExactVectors:
    """One tenant's vectors of one model."""

    def __init__(self, sql: Sql, threads: CapacityLimiter, key: Key, dimension: int) -> None:
        self._sql = sql
        self._threads = threads
        self._key = key
        self._dimension = dimension
        self._changing = anyio.Lock()
        self._shard: Shard | None = None

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self._shard.nbytes if self._shard else 0

    def unload(self) -> None:
        """Let the memory go; searches that run keep what they have."""
        self._shard = None

    async def apply(self, changes: Sequence[VectorChange]) -> None:
        """Write the rows, then bring the shard in step, if there is one.

        Raises:
            InvalidArgumentError: vectors are not of the model's dimension, or not finite.
        """
        for change in changes:
            if isinstance(change, PutVectors):
                self._check(change.vectors, 2)
        if not changes:
            return
        async with self._changing:
            shard, in_step = self._shard, False
            try:
                now = await self._sql.write(partial(rows.apply, key=self._key, changes=changes))
                if shard is not None:
                    shard = await anyio.to_thread.run_sync(_follow, shard, now, self._dimension, limiter=self._threads)
                in_step = True
            finally:
                # After a failure or a cancellation nobody knows what was committed: the next search loads it.
                self._shard = shard if in_step and self._shard is not None else None

    async def digests(self, ids: Sequence[UUID]) -> Mapping[UUID, bytes]:
        """The digests of those of `ids` that are there."""
        return await self._sql.read(partial(rows.digests, key=self._key, ids=ids)) if ids else {}

    async def search(self, query: VectorQuery) -> list[Match]:
        """Scan the shard, in a worker thread.

        Raises:
            InvalidArgumentError: the vector is not of the model's dimension, or not finite.
        """
        self._check(query.vector, 1)
        if query.limit < 1:
            return []
        shard = self._shard or await self._loaded()
        return await anyio.to_thread.run_sync(shard.search, query, limiter=self._threads)

    async def warm(self) -> None:
        """Load the shard."""
        await self._loaded()

    async def versions(self, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """A page of what is there."""
        return await self._sql.read(partial(rows.versions, key=self._key, after=after, limit=limit))

    async def clear(self) -> None:
        """Delete the rows, tombstones included."""
        async with self._changing:
            try:
                await self._sql.write(partial(rows.clear, key=self._key))
            finally:
                self._shard = None

    async def _loaded(self) -> Shard:
        async with self._changing:
            if self._shard is None:
                self._shard = await self._sql.read(partial(_load, key=self._key, dimension=self._dimension))
            return self._shard

    def _check(self, vectors: Floats, axes: int) -> None:
        if vectors.ndim != axes or vectors.shape[-1] != self._dimension or not np.isfinite(vectors).all():
            raise InvalidArgumentError(f"a vector of this model has {self._dimension} finite components")


def _load(connection: Connection, key: Key, dimension: int) -> Shard:
    shard = Shard(dimension, rows.count(connection, key))
    for batch in rows.everything(connection, key, dimension):
        shard.change((), batch)
    return shard.tidied()


def _follow(shard: Shard, now: Mapping[bytes, rows.Row | None], dimension: int) -> Shard:
    shard.change(list(now), rows.batch([row for row in now.values() if row is not None], dimension))
    return shard.tidied()
