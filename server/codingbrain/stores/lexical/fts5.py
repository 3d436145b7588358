"""SQLite FTS5 as the lexical engine: in the record's own file, so that a text is found as soon as it is durable."""

from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from codingbrain.identity.principal import Tenant
from codingbrain.ports.lexical import TextChange, TextQuery
from codingbrain.ports.matches import Match
from codingbrain.ports.sql import Sql
from codingbrain.stores.lexical import texts
from codingbrain.stores.lexical.search import Effort, Searches

NORMAL: Final = Effort()


class Fts5:
    """The engine; one instance per process."""

    def __init__(self, sql: Sql, effort: Effort = NORMAL) -> None:
        self._sql = sql
        self._searches = Searches(effort)

    async def prepare(self) -> None:
        """Create the tables; drop those of another layout.

        Raises:
            StorageError: this SQLite was built without a module that the index needs.
        """
        await self._sql.write(texts.prepare)

    async def check(self) -> None:
        """Read one row."""
        await self._sql.read(lambda connection: connection.exec_driver_sql("SELECT layout FROM lexical_layout").all())

    def tenant(self, tenant: Tenant) -> "Fts5Lexical":
        """The tenant's part of the index."""
        return Fts5Lexical(self._sql, self._searches, tenant)

    def enlist(self, connection: Connection, tenant: Tenant, changes: Sequence[TextChange]) -> None:
        """Apply changes within the caller's transaction."""
        texts.apply(connection, tenant.org, changes)


class Fts5Lexical:
    """One tenant's texts."""

    def __init__(self, sql: Sql, searches: Searches, tenant: Tenant) -> None:
        self._sql = sql
        self._searches = searches
        self._org = tenant.org

    async def apply(self, changes: Sequence[TextChange]) -> None:
        """Write in a transaction of its own."""
        if changes:
            await self._sql.write(partial(texts.apply, org=self._org, changes=changes))

    async def search(self, query: TextQuery) -> list[Match]:
        """List, choose and score, off the event loop."""
        if not query.filter.audiences:
            return []
        return await self._sql.read(partial(self._searches.run, org=self._org, query=query))

    async def versions(self, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """A page of what is there."""
        return await self._sql.read(partial(texts.versions, org=self._org, after=after, limit=limit))

    async def clear(self) -> None:
        """Remove the texts and their tombstones."""
        await self._sql.write(partial(texts.clear, org=self._org))
