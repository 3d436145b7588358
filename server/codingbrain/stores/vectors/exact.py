"""Vectors as rows of the record's database, searched in memory: the embedded vector engine.

The rows are what lasts; a tenant's shard is loaded from them when it is first searched, and the least recently used
shards are let go when they take more than the budget.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import anyio
import anyio.to_thread
import numpy as np
from anyio import CapacityLimiter
from sqlalchemy import Connection

from codingbrain.identity.principal import Tenant
from codingbrain.ports.embedder import Model
from codingbrain.ports.filters import Facets
from codingbrain.ports.matches import Match
from codingbrain.ports.sql import Sql
from codingbrain.ports.vectors import DropVectors, Floats, PutVectors, Relabel, VectorChange, VectorQuery
from codingbrain.stores.vectors.shard import Shard, Stored

LAYOUT: Final = 1
BUDGET: Final = 1024 * 1024 * 1024

_CREATE: Final = """
    CREATE TABLE IF NOT EXISTS vectors (
      org BLOB NOT NULL, model TEXT NOT NULL, object BLOB NOT NULL, version INTEGER NOT NULL,
      digest BLOB, kind TEXT, audience TEXT, labels TEXT, created_at INTEGER, data BLOB,
      PRIMARY KEY (org, model, object))"""
_CREATE_LAYOUT: Final = "CREATE TABLE IF NOT EXISTS vectors_layout (layout INTEGER NOT NULL)"
_DIGESTS: Final = "SELECT digest FROM vectors WHERE org = ? AND model = ? AND object = ? AND data IS NOT NULL"
_VERSION: Final = "SELECT version, data IS NOT NULL FROM vectors WHERE org = ? AND model = ? AND object = ?"
_PAGE: Final = """
    SELECT object, version FROM vectors
    WHERE org = ? AND model = ? AND data IS NOT NULL AND object > ? ORDER BY object LIMIT ?"""
_ALL: Final = """
    SELECT object, kind, audience, labels, created_at, data FROM vectors
    WHERE org = ? AND model = ? AND data IS NOT NULL"""
_PUT: Final = "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DROP: Final = "INSERT OR REPLACE INTO vectors (org, model, object, version) VALUES (?, ?, ?, ?)"
_RELABEL: Final = """
    UPDATE vectors SET version = ?, kind = ?, audience = ?, labels = ?, created_at = ?
    WHERE org = ? AND model = ? AND object = ?"""
_CLEAR: Final = "DELETE FROM vectors WHERE org = ? AND model = ?"
_LOAD_ROWS: Final = 2_000


class Exact:
    """The engine; one instance per process."""

    def __init__(self, sql: Sql, budget: int = BUDGET) -> None:
        self._sql = sql
        self._budget = budget
        self._threads = CapacityLimiter(2)
        self._indexes: OrderedDict[tuple[UUID, str], ExactVectors] = OrderedDict()

    async def prepare(self) -> None:
        """Create the tables; drop those of another layout."""
        await self._sql.write(_prepare)

    async def check(self) -> None:
        """Read one row."""
        await self._sql.read(lambda connection: connection.exec_driver_sql("SELECT layout FROM vectors_layout").all())

    def tenant(self, tenant: Tenant, model: Model) -> "ExactVectors":
        """The tenant's index for one model."""
        key = (tenant.org, model.key)
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = ExactVectors(self._sql, self._threads, tenant, model)
        self._indexes.move_to_end(key)
        self._spare(key)
        return index

    def _spare(self, used: tuple[UUID, str]) -> None:
        """Unload the least recently used until the rest fits."""
        taken = sum(index.nbytes for index in self._indexes.values())
        for key, index in list(self._indexes.items()):
            if taken <= self._budget or key == used:
                return
            taken -= index.nbytes
            index.unload()


class ExactVectors:
    """One tenant's vectors of one model."""

    def __init__(self, sql: Sql, threads: CapacityLimiter, tenant: Tenant, model: Model) -> None:
        self._sql = sql
        self._threads = threads
        self._key = (tenant.org.bytes, model.key)
        self._dimension = model.dimension
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
        """Write the rows, then bring the shard in step, if there is one."""
        if not changes:
            return
        async with self._changing:
            taken = await self._sql.write(partial(_apply, key=self._key, changes=changes))
            if self._shard is not None:
                await anyio.to_thread.run_sync(_follow, self._shard, taken, limiter=self._threads)

    async def digests(self, ids: Sequence[UUID]) -> Mapping[UUID, bytes]:
        """The digests of those of `ids` that are there."""

        def read(connection: Connection) -> dict[UUID, bytes]:
            found = ((id_, connection.exec_driver_sql(_DIGESTS, (*self._key, id_.bytes)).scalar()) for id_ in ids)
            return {id_: digest for id_, digest in found if digest is not None}

        return await self._sql.read(read) if ids else {}

    async def search(self, query: VectorQuery) -> list[Match]:
        """Scan the shard, in a worker thread."""
        shard = self._shard or await self._loaded()
        return await anyio.to_thread.run_sync(shard.search, query, limiter=self._threads)

    async def versions(self, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """A page of what is there."""
        values = (*self._key, after.bytes if after else b"", limit)

        def read(connection: Connection) -> list[tuple[UUID, int]]:
            return [(UUID(bytes=row[0]), row[1]) for row in connection.exec_driver_sql(_PAGE, values)]

        return await self._sql.read(read)

    async def clear(self) -> None:
        """Delete the rows, tombstones included."""
        async with self._changing:
            await self._sql.write(lambda connection: connection.exec_driver_sql(_CLEAR, self._key))
            self._shard = None

    async def _loaded(self) -> Shard:
        async with self._changing:
            if self._shard is None:
                self._shard = await self._sql.read(partial(_load, key=self._key, dimension=self._dimension))
            return self._shard


def _prepare(connection: Connection) -> None:
    connection.exec_driver_sql(_CREATE_LAYOUT)
    layout = connection.exec_driver_sql("SELECT layout FROM vectors_layout").scalar()
    if layout != LAYOUT:
        connection.exec_driver_sql("DROP TABLE IF EXISTS vectors")
        connection.exec_driver_sql("DELETE FROM vectors_layout")
        connection.exec_driver_sql("INSERT INTO vectors_layout VALUES (?)", (LAYOUT,))
    connection.exec_driver_sql(_CREATE)


def _apply(connection: Connection, key: tuple[bytes, str], changes: Sequence[VectorChange]) -> list[VectorChange]:
    """Write what is not older than what is there; returns what was written."""
    taken: list[VectorChange] = []
    for change in changes:
        row = connection.exec_driver_sql(_VERSION, (*key, change.id.bytes)).first()
        version, there = (int(row[0]), bool(row[1])) if row else (0, False)
        if change.version >= version and (there or not isinstance(change, Relabel)):
            _write(connection, key, change)
            taken.append(change)
    return taken


def _write(connection: Connection, key: tuple[bytes, str], change: VectorChange) -> None:
    match change:
        case PutVectors(id_, version, facets, digest, vectors):
            values = (id_.bytes, version, digest, *_columns(facets), vectors.astype(np.float32).tobytes())
            connection.exec_driver_sql(_PUT, (*key, *values))
        case Relabel(id_, version, facets):
            connection.exec_driver_sql(_RELABEL, (version, *_columns(facets), *key, id_.bytes))
        case DropVectors(id_, version):
            connection.exec_driver_sql(_DROP, (*key, id_.bytes, version))


def _follow(shard: Shard, taken: Sequence[VectorChange]) -> None:
    for change in taken:
        match change:
            case PutVectors(id_, _, facets, _, vectors):
                shard.put([Stored(id_, facets, vectors)])
            case Relabel(id_, _, facets):
                shard.relabel(id_, facets)
            case DropVectors(id_):
                shard.drop([id_])


def _load(connection: Connection, key: tuple[bytes, str], dimension: int) -> Shard:
    shard = Shard(dimension)
    for rows in _batches(connection.exec_driver_sql(_ALL, key)):
        shard.put([_stored(row, dimension) for row in rows])
    return shard


def _batches(result: Any) -> Iterator[Sequence[Any]]:  # noqa: ANN401 - a cursor's rows are untyped
    while rows := result.fetchmany(_LOAD_ROWS):
        yield rows


def _stored(row: Any, dimension: int) -> Stored:  # noqa: ANN401 - a row is untyped
    vectors: Floats = np.frombuffer(row[5], np.float32).reshape(-1, dimension)
    return Stored(UUID(bytes=row[0]), Facets(row[1], row[2], frozenset(json.loads(row[3])), row[4]), vectors)


def _columns(facets: Facets) -> tuple[str, str, str, int]:
    return facets.kind, facets.audience, json.dumps(sorted(facets.labels)), facets.created_at
