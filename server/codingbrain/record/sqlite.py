"""SQLite as the record: WAL, one writer with group commit, a small pool of readers."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from sqlalchemy import URL, Connection, Engine, QueuePool, StaticPool, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from codingbrain.errors import StorageError, ungrouped
from codingbrain.record.group import GroupCommit
from codingbrain.stores.faults import sqlite_faults
from codingbrain.telemetry.metrics import Metrics

T = TypeVar("T")

_READERS: Final = 4
_BUSY_SECONDS: Final = 10
"""How long a statement waits for another process, e.g. a backup tool; the server itself never competes."""

_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "cache_size=-16384",
    "journal_size_limit=67108864",
)


def _engine(path: Path, *, writer: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS, "isolation_level": None},
        poolclass=StaticPool if writer else QueuePool,
        **({} if writer else {"pool_size": _READERS, "max_overflow": 0}),
    )

    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type
        for pragma in (*_PRAGMAS, *(() if writer else ("query_only=ON",))):
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: Connection) -> None:
        # The driver's own BEGIN is switched off above: it would start read transactions late and writes deferred.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


class SqliteRecord:
    """The record in one SQLite file; satisfies `ports.sql.Sql`."""

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self._writing = _engine(path, writer=True)
        self._reading = _engine(path, writer=False)
        self._readers = CapacityLimiter(_READERS)
        self._group = GroupCommit(self._writing, self._still_there, metrics)
        self._path = path
        self._file: tuple[int, int] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Serve writes until the block ends; writes that were accepted by then are finished first."""
        try:
            with ungrouped():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._group.run)
                    try:
                        yield
                    finally:
                        await self._group.close()
        finally:
            self._reading.dispose()
            self._writing.dispose()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read connection, off the event loop."""
        return await anyio.to_thread.run_sync(self._read, work, limiter=self._readers)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a savepoint of the next group; returns after the group is on disk."""
        return await self._group.submit(lambda session: work(session.connection()))

    async def check(self) -> None:
        """A read that touches the file.

        Raises:
            StorageError: the database does not answer.
        """
        self._still_there()
        await self.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM alembic_version"))

    async def read_session(self, work: Callable[[Session], T]) -> T:
        """`read`, with a session."""

        def run(connection: Connection) -> T:
            with Session(connection) as session:
                return work(session)

        return await self.read(run)

    async def write_session(self, work: Callable[[Session], T]) -> T:
        """`write`, with a session."""
        return await self._group.submit(work)

    def _still_there(self) -> None:
        """Writing goes on for ever in a file that was deleted while it is open, and nothing of it is kept."""
        try:
            found = self._path.stat()
        except OSError:
            found = None
        file = None if found is None else (found.st_dev, found.st_ino)
        if self._file is None:
            self._file = file
        elif file != self._file:
            message = "the database file was removed or replaced while it was in use; restart the server"
            raise StorageError(message)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with sqlite_faults(), self._reading.connect() as connection:
                return work(connection)
        except DatabaseError:
            self._still_there()  # a reader that opens a file that is gone makes an empty one, without any table
            raise
