"""What the indexes inside the record's database promise beyond their ports: one transaction, bounded memory."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from sqlalchemy import Connection

from codingbrain.errors import InvalidArgumentError, StorageFullError
from codingbrain.identity.principal import Tenant
from codingbrain.ports.embedder import Model
from codingbrain.ports.filters import Facets, Filter
from codingbrain.ports.lexical import ColocatedLexical, DropText, Lexical, PutText, TextQuery
from codingbrain.ports.sql import Sql
from codingbrain.ports.vectors import PutVectors, VectorQuery, Vectors
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.stores.lexical.fts5 import Fts5
from codingbrain.stores.vectors.exact import Exact, ExactVectors
from tests.engines import COLOCATED, ColocatedRow, sqlite

pytestmark = pytest.mark.anyio

T = TypeVar("T")

ORG = Tenant(UUID(int=1))
MODEL = Model("toy", "0" * 64, 4)
OWN = Filter(frozenset({"user:own"}))
FACETS = Facets("memory", "user:own", frozenset({"state:active"}), 0)


class Failing:
    """A database whose disk is full as long as `full` is set: work is done, and then undone."""

    def __init__(self, sql: Sql) -> None:
        self.full = False
        self._sql = sql

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._sql.read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        def undone(connection: Connection) -> T:
            done = work(connection)
            if self.full:
                raise StorageFullError("no room")
            return done

        return await self._sql.write(undone)


@pytest.fixture
async def record(data_dir: Path) -> AsyncIterator[SqliteRecord]:
    async with sqlite(data_dir) as record:
        yield record


@pytest.fixture(params=COLOCATED, ids=lambda row: row.name)
async def lexical(request: pytest.FixtureRequest, record: SqliteRecord) -> ColocatedLexical:
    row: ColocatedRow = request.param
    engine = row.makes(record)
    await engine.prepare()
    return engine


def text(number: int, said: str, version: int = 1) -> PutText:
    return PutText(UUID(int=number), version, FACETS, said)


def vector(number: int, *components: float, version: int = 1) -> PutVectors:
    return PutVectors(UUID(int=number), version, FACETS, b"", np.array([components], np.float32))


async def read(index: Lexical, words: str) -> list[int]:
    with anyio.fail_after(30):
        return [match.id.int for match in await index.search(TextQuery(words, OWN, 10))]


async def nearest(index: Vectors, *components: float) -> list[tuple[int, int]]:
    """Ids with their scores in percent."""
    with anyio.fail_after(30):
        answer = await index.search(VectorQuery(np.array(components, np.float32), OWN, 10))
    return [(match.id.int, round(match.score * 100)) for match in answer]


async def test_an_enlisted_text_is_found_once_the_transaction_is(
    record: SqliteRecord, lexical: ColocatedLexical
) -> None:
    await record.write(lambda connection: lexical.enlist(connection, ORG, [text(1, "tea"), text(2, "milk")]))
    assert await read(lexical.tenant(ORG), "tea") == [1]


async def test_nothing_stays_of_a_transaction_that_failed(record: SqliteRecord, lexical: ColocatedLexical) -> None:
    index = lexical.tenant(ORG)
    await index.apply([text(1, "tea"), text(2, "milk")])
    changes = [text(1, "coffee", 2), DropText(UUID(int=2), 2), text(3, "tea")]

    def fail(connection: Connection) -> None:
        lexical.enlist(connection, ORG, changes)
        raise InvalidArgumentError("no")

    with pytest.raises(InvalidArgumentError):
        await record.write(fail)
    assert await read(index, "tea") == [1]
    assert await read(index, "milk") == [2]
    assert await read(index, "coffee") == []
    assert await index.versions(None, 10) == [(UUID(int=1), 1), (UUID(int=2), 1)]
    await index.apply(changes)
    assert await read(index, "tea") == [3]
    assert await read(index, "coffee") == [1]


async def test_what_is_taken_out_of_the_text_index_is_what_was_put_in(record: SqliteRecord) -> None:
    """The index keeps no texts of its own, so that a wrong word on the way out would stay for ever."""
    engine = Fts5(record)
    await engine.prepare()
    index = engine.tenant(ORG)
    for version in range(1, 21):
        said = [f"word{number * version % 17} getUser{version}Name 数据{version} naïve naïve" for number in range(20)]
        await index.apply([text(number, one, version) for number, one in enumerate(said, 1)])
        await index.apply([DropText(UUID(int=version), version)])
    await index.clear()

    def words(connection: Connection) -> int:
        connection.exec_driver_sql("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, lexical, row)")
        return connection.exec_driver_sql("SELECT count(*) FROM temp.words").scalar_one()

    assert await record.write(words) == 0


async def test_a_layout_of_another_release_is_dropped(record: SqliteRecord) -> None:
    engines = (Fts5(record), Exact(record))
    for engine in engines:
        await engine.prepare()
    lexical, vectors = engines[0].tenant(ORG), engines[1].tenant(ORG, MODEL)
    await lexical.apply([text(1, "tea")])
    await vectors.apply([vector(1, 1, 0, 0, 0)])

    def age(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE lexical_layout SET layout = -1")
        connection.exec_driver_sql("UPDATE vectors_layout SET layout = -1")

    await record.write(age)
    for engine in (Fts5(record), Exact(record)):
        await engine.prepare()
    for index in (lexical, Exact(record).tenant(ORG, MODEL)):
        assert await index.versions(None, 10) == []
    await lexical.apply([text(1, "tea")])
    assert await read(lexical, "tea") == [1]


async def test_memory_is_never_ahead_of_the_disk(record: SqliteRecord) -> None:
    failing = Failing(record)
    engine = Exact(failing)
    await engine.prepare()
    index = engine.tenant(ORG, MODEL)
    await index.apply([vector(1, 1, 0, 0, 0)])
    assert await nearest(index, 1, 0, 0, 0) == [(1, 100)]
    failing.full = True
    with pytest.raises(StorageFullError):
        await index.apply([vector(1, 0, 1, 0, 0, version=2), vector(2, 1, 0, 0, 0)])
    with pytest.raises(StorageFullError):
        await index.clear()
    failing.full = False
    assert await nearest(index, 1, 0, 0, 0) == [(1, 100)]
    assert await index.versions(None, 10) == [(UUID(int=1), 1)]


@pytest.mark.parametrize("steps", range(6))
async def test_memory_is_never_behind_the_disk_after_a_cancellation(record: SqliteRecord, steps: int) -> None:
    engine = Exact(record)
    await engine.prepare()
    index = engine.tenant(ORG, MODEL)
    await index.apply([vector(1, 1, 0, 0, 0)])
    await nearest(index, 1, 0, 0, 0)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(index.apply, [vector(1, 0, 1, 0, 0, version=2)])
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        await index.apply([vector(2, 0, 0, 1, 0)])
    stored = dict(await index.versions(None, 10))
    assert dict(await nearest(index, 0, 1, 0, 0))[1] == (100 if stored[UUID(int=1)] == 2 else 0)


async def test_the_least_recently_used_leave_memory_and_come_back(record: SqliteRecord) -> None:
    engine = Exact(record, budget=1)
    await engine.prepare()
    orgs = [Tenant(UUID(int=number)) for number in range(1, 6)]
    for number, org in enumerate(orgs, 1):
        await engine.tenant(org, MODEL).apply([vector(number, 1, 0, 0, 0)])
    indexes: list[ExactVectors] = []
    for _ in range(2):
        indexes.clear()
        for number, org in enumerate(orgs, 1):
            indexes.append(engine.tenant(org, MODEL))
            assert await nearest(indexes[-1], 1, 0, 0, 0) == [(number, 100)]
    taken = [index.nbytes for index in indexes]
    assert taken[:-1] == [0, 0, 0, 0]
    assert taken[-1] > 0
