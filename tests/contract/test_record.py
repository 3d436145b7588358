"""The record: what is acknowledged is on disk, and one write's failure is its own."""

import os
import re
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlmodel import Session, SQLModel, select

from codingbrain import clock, ids
from codingbrain.domain.memory import Draft, Memory, State
from codingbrain.errors import (
    InvalidArgumentError,
    SchemaNewerError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    UnavailableError,
)
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.record import migrate, schema, tables
from codingbrain.record.memories import Memories
from codingbrain.record.orgs import settle_local_user
from codingbrain.record.rows import memory_of_draft
from codingbrain.record.schema import settle
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import TenantRecord, Unit
from codingbrain.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


@pytest.fixture
async def record(data_dir: Path) -> AsyncIterator[SqliteRecord]:
    record = SqliteRecord(data_dir / "record.db", Metrics())
    async with record.running():
        await settle(record, data_dir / "record.db")
        yield record


@pytest.fixture
async def own(record: SqliteRecord) -> TenantRecord:
    user = await record.write_session(lambda session: settle_local_user(session, ids.uuid7, clock.now()))
    return TenantRecord(record, Principal(user.org, user.id, user.name, "test", EVERYTHING))


def _memory(unit: Unit, said: str) -> Memory:
    return memory_of_draft(Draft(said, tags=("x",)), unit.principal, ids.uuid7(), clock.now())


async def _add(own: TenantRecord, said: str) -> None:
    await own.write(lambda unit: Memories(unit).insert(_memory(unit, said), clock.now()))


@pytest.mark.proves("TEST-1")
async def test_concurrent_writes_share_commits_and_all_are_there(record: SqliteRecord, own: TenantRecord) -> None:
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(300):
                tasks.start_soon(_add, own, f"memory {number}")
    count = await record.read(lambda connection: connection.execute(text("SELECT count(*) FROM memories")).scalar())
    assert count == 300


async def test_a_failing_write_does_not_touch_its_neighbours(own: TenantRecord) -> None:
    outcomes: list[str] = []

    def fail(unit: Unit) -> None:
        Memories(unit).insert(_memory(unit, "half done"), 1)
        raise InvalidArgumentError("no")

    async def try_fail() -> None:
        try:
            await own.write(fail)
        except InvalidArgumentError:
            outcomes.append("failed")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(_add, own, f"good {number}")
                tasks.start_soon(try_fail)
    assert outcomes == ["failed"] * 20
    assert await own.read(lambda unit: Memories(unit).twin(_memory(unit, "half done"))) is None
    assert len(await own.read(lambda unit: Memories(unit).ids([State.ACTIVE]))) == 20


async def test_writes_after_closing_are_refused(data_dir: Path) -> None:
    record = SqliteRecord(data_dir / "record.db", Metrics())
    async with record.running():
        await settle(record, data_dir / "record.db")
    with pytest.raises(UnavailableError):
        await record.write(lambda connection: connection.execute(text("SELECT 1")))


async def test_readers_cannot_write(record: SqliteRecord) -> None:
    with pytest.raises(Exception, match=r"readonly|cannot be written"):
        await record.read(lambda connection: connection.execute(text("DELETE FROM memories")))


@pytest.mark.parametrize("build", ["at once", "by revisions"])
async def test_revisions_and_tables_agree(data_dir: Path, build: str) -> None:
    """The schema that Alembic builds is the schema that the code believes in, and that an empty database gets."""

    def differences(connection: Connection) -> list[object]:
        names = set(tables.NAMES) | {"alembic_version"}

        def ours(name: str | None, kind: str, _parents: object) -> bool:
            return kind != "table" or name in names

        options = {"include_name": ours}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), SQLModel.metadata))

    record = SqliteRecord(data_dir / "record.db", Metrics())
    async with record.running():
        if build == "by revisions":
            await record.write(lambda connection: migrate.upgrade(connection, schema.HEAD))
        assert await settle(record, data_dir / "record.db") is (build == "at once")
        assert await record.read(differences) == []
        assert await record.read(schema.revision_of) == schema.HEAD == migrate.head()


async def test_both_ways_build_the_same_statements(data_dir: Path) -> None:
    """Constraints and their names too, which a comparison of metadata does not see on SQLite."""
    built: list[dict[str, list[str]]] = []
    for name in ("at once", "by revisions"):
        record = SqliteRecord(data_dir / f"{name}.db", Metrics())
        async with record.running():
            if name == "by revisions":
                await record.write(lambda connection: migrate.upgrade(connection, schema.HEAD))
            await settle(record, data_dir / f"{name}.db")
            rows = await record.read(
                lambda connection: connection.execute(text("SELECT name, sql FROM sqlite_master")).all()
            )
        # A revision that adds a column or rebuilds a table leaves other white space, quotes and order than a new one.
        built.append({row.name: sorted(re.split(r"[\s,()\"]+", row.sql or "")) for row in rows})
    assert {name: sql for name, sql in built[0].items() if name != "alembic_version"} == {
        name: sql for name, sql in built[1].items() if name != "alembic_version"
    }


async def test_every_unique_key_starts_with_the_org() -> None:
    for name, table in SQLModel.metadata.tables.items():
        if name not in {"orgs", "outbox", "audit"}:  # rows of the last two are numbered in the order of their writing
            assert next(iter(table.primary_key.columns)).name == "org", name


async def test_a_newer_schema_is_left_alone(data_dir: Path) -> None:
    path = data_dir / "record.db"
    record = SqliteRecord(path, Metrics())
    async with record.running():
        await settle(record, path)
        await record.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9'")))
        with pytest.raises(SchemaNewerError, match="upgrade codingbrain"):
            await settle(record, path)


@pytest.mark.parametrize("content", [b"this is no database, " * 500, b"SQLite format 3\0" + os.urandom(8_000)])
async def test_a_damaged_file_is_named_as_such(data_dir: Path, content: bytes) -> None:
    path = data_dir / "record.db"
    path.write_bytes(content)
    record = SqliteRecord(path, Metrics())
    with pytest.raises(StorageCorruptError):
        async with record.running():
            await settle(record, path)


async def test_a_foreign_database_is_left_alone(data_dir: Path) -> None:
    path = data_dir / "record.db"
    record = SqliteRecord(path, Metrics())
    async with record.running():
        await record.write(lambda connection: connection.execute(text("CREATE TABLE theirs (x)")))
        with pytest.raises(StorageCorruptError, match="another program"):
            await settle(record, path)


_FILL = """
import anyio, sys
from pathlib import Path
from tests.contract.test_record import fill
print(anyio.run(fill, Path(sys.argv[1])))
"""


async def fill(data_dir: Path) -> str:
    """Write until the file may not grow further; what was acknowledged, and what the first refusal was."""
    path = data_dir / "record.db"
    record = SqliteRecord(path, Metrics())
    async with record.running():
        await settle(record, path)
        user = await record.write_session(lambda session: settle_local_user(session, ids.uuid7, clock.now()))
        own = TenantRecord(record, Principal(user.org, user.id, user.name, "test", EVERYTHING))
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 400_000, resource.RLIM_INFINITY))
        acknowledged, refusals = 0, set[str]()
        for number in range(400):
            try:
                await _add(own, f"{number} " + "x" * 4_000)
            except StorageFullError as error:
                refusals.add(error.code)
                break
            except Exception as error:  # noqa: BLE001 - reported to the parent
                refusals.add(type(error).__name__)
                break
            acknowledged += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await _add(own, "after room was made")
        stored = await record.read(
            lambda connection: connection.execute(text("SELECT count(*) FROM memories")).scalar()
        )
    return f"{acknowledged + 1 == stored} {sorted(refusals)}"


async def test_a_full_disk_refuses_and_recovers(data_dir: Path) -> None:
    """Own process: the file size limit stands for a full disk."""
    done = await anyio.run_process(
        [sys.executable, "-c", _FILL, str(data_dir)],
        cwd=Path(__file__).parents[2],
        check=False,
        stderr=subprocess.STDOUT,
    )
    assert done.stdout.decode().strip() == "True ['storage_full']"


async def test_sessions_see_one_snapshot(record: SqliteRecord, own: TenantRecord) -> None:
    """A read does not see what is committed while it runs."""
    entered, release = anyio.Event(), anyio.Event()

    def twice(session: Session) -> tuple[int, int]:
        first = len(session.exec(select(tables.MemoryRow.id)).all())
        anyio.from_thread.run_sync(entered.set)
        anyio.from_thread.run(release.wait)
        return first, len(session.exec(select(tables.MemoryRow.id)).all())

    seen: list[tuple[int, int]] = []

    async def read() -> None:
        seen.append(await record.read_session(twice))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await entered.wait()
            await _add(own, "meanwhile")
            release.set()
    assert seen == [(0, 0)]


async def test_a_reader_that_finds_the_file_gone_says_so(data_dir: Path) -> None:
    """It would open a new file otherwise, and miss every table in it."""
    path = data_dir / "record.db"
    record = SqliteRecord(path, Metrics())
    async with record.running():
        for statement in ("CREATE TABLE here (id INTEGER)", "INSERT INTO here VALUES (1)"):
            await record.write(lambda connection, said=statement: connection.exec_driver_sql(said))
        path.rename(data_dir / "elsewhere.db")
        with pytest.raises(StorageError, match="removed or replaced"):
            await record.read(lambda connection: connection.exec_driver_sql("SELECT * FROM here").all())
