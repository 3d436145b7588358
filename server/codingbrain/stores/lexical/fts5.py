"""SQLite FTS5 as the lexical engine: in the record's own file, so that a text is found as soon as it is durable.

Audience and labels are indexed tokens, because FTS5 scores every match before a join could discard it. For the same
reason the most common words of a question are left out while rarer ones suffice; they hardly move a BM25 score.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from codingbrain.identity.principal import Tenant
from codingbrain.ports.lexical import DropText, PutText, TextChange, TextQuery
from codingbrain.ports.matches import Match
from codingbrain.ports.sql import Sql
from codingbrain.stores.lexical.frequency import Frequencies, kept
from codingbrain.stores.lexical.match import expression, mark
from codingbrain.stores.lexical.tokens import asked_for, words_of

LAYOUT: Final = 1

_BUDGET: Final = 15_000
"""Texts that a search scores, about."""

_CREATE: Final = (
    """CREATE TABLE IF NOT EXISTS lexical_objects (
      rowid INTEGER PRIMARY KEY, org BLOB NOT NULL, object BLOB NOT NULL, version INTEGER NOT NULL,
      created_at INTEGER NOT NULL, live INTEGER NOT NULL, UNIQUE (org, object))""",
    """CREATE VIRTUAL TABLE IF NOT EXISTS lexical USING fts5(
      scope, labels, body, keywords, wholes, tokenize = 'porter unicode61 remove_diacritics 2')""",
)
_CREATE_LAYOUT: Final = "CREATE TABLE IF NOT EXISTS lexical_layout (layout INTEGER NOT NULL)"
_FIND: Final = "SELECT rowid, version, live FROM lexical_objects WHERE org = ? AND object = ?"
_ADD: Final = "INSERT INTO lexical_objects (org, object, version, created_at, live) VALUES (?, ?, ?, ?, ?)"
_CHANGE: Final = "UPDATE lexical_objects SET version = ?, created_at = ?, live = ? WHERE rowid = ?"
_ERASE: Final = "DELETE FROM lexical WHERE rowid = ?"
_WRITE: Final = "INSERT INTO lexical (rowid, scope, labels, body, keywords, wholes) VALUES (?, ?, ?, ?, ?, ?)"
_SEARCH: Final = """
    SELECT o.object, -bm25(lexical, 0, 0, 1.0, 0.7, 0.7) FROM lexical JOIN lexical_objects o ON o.rowid = lexical.rowid
    WHERE lexical MATCH ? AND o.created_at >= ? AND o.created_at < ?
    ORDER BY bm25(lexical, 0, 0, 1.0, 0.7, 0.7) LIMIT ?"""
_PAGE: Final = """
    SELECT object, version FROM lexical_objects
    WHERE org = ? AND live AND object > ? ORDER BY object LIMIT ?"""
_CLEAR: Final = (
    "DELETE FROM lexical WHERE rowid IN (SELECT rowid FROM lexical_objects WHERE org = ?)",
    "DELETE FROM lexical_objects WHERE org = ?",
)
_EVER: Final = (-(2**62), 2**62)


class Fts5:
    """The engine; one instance per process."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._frequencies = Frequencies()

    async def prepare(self) -> None:
        """Create the tables; drop those of another layout."""
        await self._sql.write(_prepare)

    async def check(self) -> None:
        """Read one row."""
        await self._sql.read(lambda connection: connection.exec_driver_sql("SELECT layout FROM lexical_layout").all())

    def tenant(self, tenant: Tenant) -> "Fts5Lexical":
        """The tenant's part of the index."""
        return Fts5Lexical(self._sql, self._frequencies, tenant)

    def enlist(self, connection: Connection, tenant: Tenant, changes: Sequence[TextChange]) -> None:
        """Apply changes within the caller's transaction."""
        _apply(connection, tenant.org, changes)


class Fts5Lexical:
    """One tenant's texts."""

    def __init__(self, sql: Sql, frequencies: Frequencies, tenant: Tenant) -> None:
        self._sql = sql
        self._frequencies = frequencies
        self._org = tenant.org

    async def apply(self, changes: Sequence[TextChange]) -> None:
        """Write in a transaction of its own."""
        if changes:
            await self._sql.write(partial(_apply, org=self._org, changes=changes))

    async def search(self, query: TextQuery) -> list[Match]:
        """Match, score and sort, off the event loop."""
        words = asked_for(query.text)
        phrases = [running for phrase in query.phrases if (running := words_of(phrase).running)]
        if not words or not query.filter.audiences:
            return []
        return await self._sql.read(lambda connection: self._search(connection, query, words, phrases))

    async def versions(self, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """A page of what is there."""
        values = (self._org.bytes, after.bytes if after else b"", limit)

        def read(connection: Connection) -> list[tuple[UUID, int]]:
            return [(UUID(bytes=row[0]), row[1]) for row in connection.exec_driver_sql(_PAGE, values)]

        return await self._sql.read(read)

    async def clear(self) -> None:
        """Delete the rows, tombstones included."""

        def work(connection: Connection) -> None:
            for statement in _CLEAR:
                connection.exec_driver_sql(statement, (self._org.bytes,))

        await self._sql.write(work)

    def _search(
        self, connection: Connection, query: TextQuery, words: Sequence[str], phrases: Sequence[Sequence[str]]
    ) -> list[Match]:
        rare = kept(self._frequencies.of(connection, words), query.limit, _BUDGET)
        found = self._run(connection, query, rare, phrases)
        if len(found) < query.limit and len(rare) < len(words):
            found = self._run(connection, query, words, phrases)
        return found

    def _run(
        self, connection: Connection, query: TextQuery, terms: Sequence[str], phrases: Sequence[Sequence[str]]
    ) -> list[Match]:
        wanted = expression(self._org, query.filter, terms, phrases)
        since = _EVER[0] if query.filter.since is None else query.filter.since
        until = _EVER[1] if query.filter.until is None else query.filter.until
        rows = connection.exec_driver_sql(_SEARCH, (wanted, since, until, query.limit))
        matches = [Match(UUID(bytes=row[0]), row[1]) for row in rows]
        return sorted(matches, key=lambda match: (-match.score, match.id))


def _prepare(connection: Connection) -> None:
    connection.exec_driver_sql(_CREATE_LAYOUT)
    layout = connection.exec_driver_sql("SELECT layout FROM lexical_layout").scalar()
    if layout != LAYOUT:
        connection.exec_driver_sql("DROP TABLE IF EXISTS lexical")
        connection.exec_driver_sql("DROP TABLE IF EXISTS lexical_objects")
        connection.exec_driver_sql("DELETE FROM lexical_layout")
        connection.exec_driver_sql("INSERT INTO lexical_layout VALUES (?)", (LAYOUT,))
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def _apply(connection: Connection, org: UUID, changes: Sequence[TextChange]) -> None:
    """Write what is not older than what is there."""
    for change in changes:
        row = connection.exec_driver_sql(_FIND, (org.bytes, change.id.bytes)).first()
        if row is not None and change.version < row[1]:
            continue
        live = isinstance(change, PutText)
        created_at = change.facets.created_at if isinstance(change, PutText) else 0
        if row is None:
            added = connection.exec_driver_sql(_ADD, (org.bytes, change.id.bytes, change.version, created_at, live))
            rowid = added.lastrowid
        else:
            rowid = row[0]
            connection.exec_driver_sql(_CHANGE, (change.version, created_at, live, rowid))
            if row[2]:
                connection.exec_driver_sql(_ERASE, (rowid,))
        match change:
            case PutText():
                connection.exec_driver_sql(_WRITE, (rowid, *_columns(org, change)))
            case DropText():
                pass


def _columns(org: UUID, put: PutText) -> tuple[str, str, str, str, str]:
    body, keywords = words_of(put.text), words_of("\n".join(put.keywords))
    return (
        mark(org, put.facets.audience),
        " ".join(mark(label) for label in sorted(put.facets.labels)),
        " ".join(body.running),
        " ".join(keywords.running),
        " ".join((*body.wholes, *keywords.wholes)),
    )
