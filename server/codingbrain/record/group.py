"""Group commit: concurrent writes share one transaction and one sync to disk.

Each write runs in a savepoint of the shared transaction and is acknowledged only after the COMMIT (DeWitt et al.,
"Implementation techniques for main memory database systems", 1984).
"""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from sqlalchemy import Connection, Engine
from sqlmodel import Session

from codingbrain.errors import CodingbrainError, OverloadedError, StorageError, UnavailableError
from codingbrain.stores.faults import sqlite_faults
from codingbrain.telemetry.metrics import Metrics

T = TypeVar("T")
Work = Callable[[Session], Any]

_MOST: Final = 256
"""Writes in one group."""

_WAITING: Final = 4_096
"""Writes that may wait for the next group."""


class _Job:
    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.done = anyio.Event()
        self.result: object = None
        self.error: BaseException | None = None


class GroupCommit:
    """The one writer of a database; `guard` raises if what would be written is not what is kept."""

    def __init__(self, engine: Engine, guard: Callable[[], None], metrics: Metrics) -> None:
        self._engine = engine
        self._guard = guard
        self._metrics = metrics
        self._thread = CapacityLimiter(1)
        self._send, self._receive = anyio.create_memory_object_stream[_Job](_WAITING)

    async def submit(self, work: Callable[[Session], T]) -> T:
        """Run `work` in the next group; returns its result once durable.

        Raises:
            OverloadedError: too many writes wait; nothing was done.
            UnavailableError: the server is stopping; nothing was done.
            StorageError: the database refused; nothing of `work` was kept.
        """
        job = _Job(work)
        try:
            self._send.send_nowait(job)
        except anyio.WouldBlock:
            message = f"{_WAITING} writes are waiting; try again in a moment"
            raise OverloadedError(message) from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            message = "the server is stopping; try again in a moment"
            raise UnavailableError(message) from None
        await job.done.wait()
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    async def run(self) -> None:
        """Commit groups until `close`; then finish what was accepted."""
        with anyio.CancelScope(shield=True), self._receive:
            async for first in self._receive:
                group = [first, *self._waiting()]
                await anyio.to_thread.run_sync(self._commit, group, limiter=self._thread)
                for job in group:
                    job.done.set()

    async def close(self) -> None:
        """Refuse further writes; `run` ends after the accepted ones."""
        await self._send.aclose()

    def _waiting(self) -> list[_Job]:
        jobs: list[_Job] = []
        while len(jobs) < _MOST - 1:
            try:
                jobs.append(self._receive.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        return jobs

    def _commit(self, group: list[_Job]) -> None:
        started = time.perf_counter()
        if not self._together(group):
            # One write that hits a full disk can roll back the whole transaction under SQLite, so each gets its own.
            for job in group:
                self._alone(job)
        self._metrics.record_commit_duration.observe(time.perf_counter() - started)
        self._metrics.record_group_size.observe(len(group))

    def _together(self, group: list[_Job]) -> bool:
        try:
            self._guard()
            with sqlite_faults(), self._engine.begin() as connection:
                for job in group:
                    self._perform(job, connection)
        except StorageError:
            return False
        except OverloadedError as error:
            self._fail(group, error)
        return True

    def _alone(self, job: _Job) -> None:
        job.result = job.error = None
        try:
            self._guard()
            with sqlite_faults(), self._engine.begin() as connection:
                self._perform(job, connection)
        except CodingbrainError as error:
            self._fail([job], error)

    @staticmethod
    def _perform(job: _Job, connection: Connection) -> None:
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            try:
                with sqlite_faults():
                    job.result = job.work(session)
                    session.commit()
            except (StorageError, OverloadedError):
                raise
            except Exception as error:  # noqa: BLE001 - it belongs to the waiting caller, not to the group
                session.rollback()
                job.error = error

    @staticmethod
    def _fail(group: list[_Job], error: CodingbrainError) -> None:
        for job in group:
            job.error = job.error or error
