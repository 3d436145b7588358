"""What SQLite's failures mean for a caller, in one place for everything that shares its file."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DatabaseError

from codingbrain.errors import (
    CodingbrainError,
    OverloadedError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
    UnavailableError,
)

_PRIMARY: Final = 0xFF
"""The low byte of an extended result code is the primary one (SQLite, "Result and Error Codes")."""

_NO_ROOM: Final = "the database cannot grow: the disk or a quota is full; nothing was stored, make room and try again"

_MEANINGS: Final[dict[int, tuple[type[CodingbrainError], str]]] = {
    sqlite3.SQLITE_FULL: (StorageFullError, _NO_ROOM),
    sqlite3.SQLITE_IOERR_WRITE: (StorageFullError, _NO_ROOM),
    sqlite3.SQLITE_READONLY: (StorageReadOnlyError, "the database cannot be written; check its file permissions"),
    sqlite3.SQLITE_PERM: (StorageReadOnlyError, "the database cannot be written; check its file permissions"),
    sqlite3.SQLITE_CORRUPT: (StorageCorruptError, "the database file is damaged; restore a backup"),
    sqlite3.SQLITE_NOTADB: (StorageCorruptError, "the database file is damaged; restore a backup"),
    sqlite3.SQLITE_BUSY: (OverloadedError, "another program holds the database; try again in a moment"),
    sqlite3.SQLITE_LOCKED: (OverloadedError, "another program holds the database; try again in a moment"),
    sqlite3.SQLITE_CANTOPEN: (StorageError, "the database file cannot be opened"),
    sqlite3.SQLITE_IOERR: (StorageError, "the disk failed or has no room; nothing was stored"),
    sqlite3.SQLITE_INTERRUPT: (UnavailableError, "the query was interrupted; try again"),
}


@contextmanager
def sqlite_faults() -> Generator[None]:
    """Turn the driver's errors about the file into ours; a mistake in a statement stays what it is."""
    try:
        yield
    except (DatabaseError, sqlite3.Error) as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        kind, message = meaning
        raise kind(message) from error


def _meaning(error: DatabaseError | sqlite3.Error) -> tuple[type[CodingbrainError], str] | None:
    origin = error.orig if isinstance(error, DatabaseError) else error
    code = getattr(origin, "sqlite_errorcode", None)
    return (_MEANINGS.get(code) or _MEANINGS.get(code & _PRIMARY)) if isinstance(code, int) else None
