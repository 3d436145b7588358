"""A transaction seen by one principal: what every repository of tenant data is built on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlmodel import Session

from codingbrain.identity.operator import Operator
from codingbrain.identity.principal import Principal
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.telemetry.context import audited_id

T = TypeVar("T")

Transaction = Session
"""What a function that is given to `OperatorRecord` receives; only this package looks inside."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One transaction of one principal; valid only inside the function that receives it."""

    session: Session
    principal: Principal
    request_id: str | None = None
    """As the audit log shows it."""


class TenantRecord:
    """The record as one principal may use it."""

    def __init__(self, record: SqliteRecord, principal: Principal) -> None:
        self._record = record
        self._principal = principal

    async def read(self, work: Callable[[Unit], T]) -> T:
        """Run `work` on a consistent view, off the event loop."""
        return await self._record.read_session(lambda session: work(Unit(session, self._principal)))

    async def write(self, work: Callable[[Unit], T]) -> T:
        """Run `work` in a transaction; returns its result once durable.

        `work` may run twice if the first attempt could not be committed, so it must not change anything else.
        """
        # The transaction runs in another thread and in nobody's context.
        request = audited_id()
        return await self._record.write_session(lambda session: work(Unit(session, self._principal, request)))


class OperatorRecord:
    """The record as the server's own cross-tenant work may use it."""

    def __init__(self, record: SqliteRecord, operator: Operator) -> None:
        self._record = record
        self.operator = operator

    async def read(self, work: Callable[[Session], T]) -> T:
        """Run `work` on a consistent view of all tenants."""
        return await self._record.read_session(work)

    async def write(self, work: Callable[[Session], T]) -> T:
        """Run `work` in a transaction over all tenants; returns its result once durable."""
        return await self._record.write_session(work)
