"""The rows behind the index: writing a text, taking it back, and finding which version is there."""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from codingbrain.errors import StorageError
from codingbrain.ports.lexical import DropText, PutText, TextChange
from codingbrain.stores.lexical import bm25
from codingbrain.stores.lexical.match import LABEL, OFTEN, ONCE, mark, token
from codingbrain.stores.lexical.tokens import Words, words_of

LAYOUT: Final = 2

ASIDE: Final = 0.7
"""What a word in a keyword, or a whole, counts for beside a word of the text."""

_SHIFT: Final = 8
"""An entry's low byte is its text's norm, so that a list of entries says how long the texts are."""

_NEEDED: Final = frozenset({"fts5", "json_each"})
_TABLES: Final = ("lexical", "lexical_texts", "lexical_objects", "lexical_scopes")
_CREATE: Final = (
    """CREATE TABLE IF NOT EXISTS lexical_scopes (
      scope INTEGER PRIMARY KEY AUTOINCREMENT, org BLOB NOT NULL, audience TEXT NOT NULL,
      texts INTEGER NOT NULL, words INTEGER NOT NULL, changes INTEGER NOT NULL, UNIQUE (org, audience))""",
    """CREATE TABLE IF NOT EXISTS lexical_objects (
      org BLOB NOT NULL, object BLOB NOT NULL, version INTEGER NOT NULL, entry INTEGER,
      PRIMARY KEY (org, object)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS lexical_texts (
      entry INTEGER PRIMARY KEY, scope INTEGER NOT NULL, object BLOB NOT NULL, created_at INTEGER NOT NULL,
      words INTEGER NOT NULL, labels TEXT NOT NULL, body TEXT NOT NULL, aside TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS lexical_created ON lexical_texts (scope, created_at)",
    """CREATE VIRTUAL TABLE IF NOT EXISTS lexical USING fts5(
      tokens, content = '', columnsize = 0, detail = none, tokenize = "ascii tokenchars ':+#'")""",
)
_CREATE_LAYOUT: Final = "CREATE TABLE IF NOT EXISTS lexical_layout (layout INTEGER NOT NULL)"

_FIND: Final = "SELECT version, entry FROM lexical_objects WHERE org = ? AND object = ?"
_SET: Final = "INSERT OR REPLACE INTO lexical_objects VALUES (?, ?, ?, ?)"
_SCOPE: Final = "SELECT scope FROM lexical_scopes WHERE org = ? AND audience = ?"
_NEW_SCOPE: Final = "INSERT INTO lexical_scopes (org, audience, texts, words, changes) VALUES (?, ?, 0, 0, 0)"
_COUNT: Final = """
    UPDATE lexical_scopes SET texts = texts + ?, words = words + ?, changes = changes + 1 WHERE scope = ?"""
_LAST: Final = "SELECT max(entry) FROM lexical_texts"
_ADD: Final = "INSERT INTO lexical_texts VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_GET: Final = "SELECT scope, labels, body, aside, words FROM lexical_texts WHERE entry = ?"
_REMOVE: Final = "DELETE FROM lexical_texts WHERE entry = ?"
_INDEX: Final = "INSERT INTO lexical (rowid, tokens) VALUES (?, ?)"
_UNINDEX: Final = "INSERT INTO lexical (lexical, rowid, tokens) VALUES ('delete', ?, ?)"
_PAGE: Final = """
    SELECT object, version FROM lexical_objects
    WHERE org = ? AND entry IS NOT NULL AND object > ? ORDER BY object LIMIT ?"""
_ALL: Final = """
    SELECT entry, scope, labels, body, aside FROM lexical_texts
    WHERE scope IN (SELECT scope FROM lexical_scopes WHERE org = ?)"""
_CLEAR: Final = (
    "DELETE FROM lexical_texts WHERE scope IN (SELECT scope FROM lexical_scopes WHERE org = ?)",
    "DELETE FROM lexical_objects WHERE org = ?",
    "DELETE FROM lexical_scopes WHERE org = ?",
)
_CLEARED_AT_ONCE: Final = 1_000


def prepare(connection: Connection) -> None:
    """Create what is missing; drop what has another layout.

    Raises:
        StorageError: this SQLite was built without a module that the index needs.
    """
    missing = _NEEDED - set(connection.exec_driver_sql("SELECT name FROM pragma_module_list").scalars())
    if missing:
        raise StorageError(f"SQLite was built without {', '.join(sorted(missing))}; use another build of Python")
    connection.exec_driver_sql(_CREATE_LAYOUT)
    if connection.exec_driver_sql("SELECT layout FROM lexical_layout").scalar() != LAYOUT:
        for table in _TABLES:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
        connection.exec_driver_sql("DELETE FROM lexical_layout")
        connection.exec_driver_sql("INSERT INTO lexical_layout VALUES (?)", (LAYOUT,))
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def apply(connection: Connection, org: UUID, changes: Sequence[TextChange]) -> None:
    """Write what is newer than what is there; at one version, a removal is newer than the text that it removes."""
    for change in changes:
        key = (org.bytes, change.id.bytes)
        version, entry = connection.exec_driver_sql(_FIND, key).first() or (-1, None)
        removes = isinstance(change, DropText) and entry is not None
        if change.version > version or (change.version == version and removes):
            if entry is not None:
                _take_back(connection, entry)
            added = _add(connection, org, change) if isinstance(change, PutText) else None
            connection.exec_driver_sql(_SET, (*key, change.version, added))


def clear(connection: Connection, org: UUID) -> None:
    """Remove every text, tombstone and number of an org."""
    rows = connection.exec_driver_sql(_ALL, (org.bytes,))
    for page in rows.partitions(_CLEARED_AT_ONCE):
        connection.exec_driver_sql(_UNINDEX, [(entry, _tokens(*columns)) for entry, *columns in page])
    for statement in _CLEAR:
        connection.exec_driver_sql(statement, (org.bytes,))


def versions(connection: Connection, org: UUID, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
    """A page of what is there, by id."""
    rows = connection.exec_driver_sql(_PAGE, (org.bytes, after.bytes if after else b"", limit))
    return [(UUID(bytes=object_), version) for object_, version in rows]


def spaced(words: Sequence[str]) -> str:
    """Words so that each has spaces of its own on both sides: then counting and finding them is one string search."""
    return f" {'  '.join(words)} "


def _add(connection: Connection, org: UUID, put: PutText) -> int:
    body, keywords = words_of(put.text), [words_of(keyword) for keyword in put.keywords]
    aside = _aside(body, keywords)
    labels = " ".join(sorted(mark(label) for label in put.facets.labels))
    columns = (labels, spaced(body.running), aside)
    length = len(body.running) + len(aside.split())
    scope = _scope(connection, org, put.facets.audience)
    last = connection.exec_driver_sql(_LAST).scalar() or 0
    entry = ((last >> _SHIFT) + 1) << _SHIFT | bm25.norm(length)
    values = (entry, scope, put.id.bytes, put.facets.created_at, length, *columns)
    connection.exec_driver_sql(_ADD, values)
    connection.exec_driver_sql(_COUNT, (1, length, scope))
    connection.exec_driver_sql(_INDEX, (entry, _tokens(scope, *columns)))
    return entry


def _scope(connection: Connection, org: UUID, audience: str) -> int:
    """The number of a scope."""
    # Not one statement with RETURNING: before any but the plainest, SQLite makes FTS5 flush what it has gathered.
    values = (org.bytes, audience)
    known = connection.exec_driver_sql(_SCOPE, values).scalar()
    if known is None:
        connection.exec_driver_sql(_NEW_SCOPE, values)
        known = connection.exec_driver_sql(_SCOPE, values).scalar_one()
    return known


def _take_back(connection: Connection, entry: int) -> None:
    scope, labels, body, aside, length = connection.exec_driver_sql(_GET, (entry,)).one()
    connection.exec_driver_sql(_UNINDEX, (entry, _tokens(scope, labels, body, aside)))
    connection.exec_driver_sql(_REMOVE, (entry,))
    connection.exec_driver_sql(_COUNT, (-1, -length, scope))


def _aside(body: Words, keywords: Sequence[Words]) -> str:
    """One line for each keyword, so that no phrase runs across two; the wholes after a form feed."""
    wholes = [whole for words in (body, *keywords) for whole in words.wholes]
    lines = "\n".join(spaced(words.running) for words in keywords)
    return f"{lines}\f{spaced(wholes)}"


def _tokens(scope: int, labels: str, body: str, aside: str) -> str:
    """What FTS5 indexes; the same again takes it out, since a contentless table does not know what it holds."""
    counts = Counter(body.split())
    counts.update(aside.split())
    words = [token(scope, ONCE, word) for word in counts]
    words += [token(scope, OFTEN, word) for word, count in counts.items() if count > 1]
    words += [token(scope, LABEL, label) for label in labels.split()]
    return " ".join(words)
