"""Which schema a database has, and bringing it to the one that this release needs."""

import importlib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from loguru import logger
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from codingbrain.errors import SchemaNewerError, StorageCorruptError
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.stores.faults import sqlite_faults

HEAD: Final = "0002"
"""The newest revision that this release ships."""

_KEEP: Final = 3


def revision_of(connection: Connection) -> str | None:
    """The revision that a database is at; `None` if it is empty.

    Raises:
        StorageCorruptError: there are tables, but none of ours.
    """
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if revision is None:
            message = "the database does not say which schema it has; restore a backup"
            raise StorageCorruptError(message)
        return revision
    if tables:
        message = "the database file belongs to another program"
        raise StorageCorruptError(message)
    return None


async def settle(record: SqliteRecord, path: Path) -> bool:
    """Apply what is due; whether anything was. An existing database is copied next to itself first.

    Raises:
        SchemaNewerError: a newer release wrote the database; nothing was touched.
        StorageError: the database cannot be used.
    """
    current = await record.read(revision_of)
    if current == HEAD:
        return False
    if current is None:
        await record.write(_create)
        return True
    # Loaded by name: Alembic costs more than the rest of a start, and is needed only when a revision is due.
    migrate = importlib.import_module("codingbrain.record.migrate")
    if current not in migrate.known():
        message = f"the database is at revision {current}, this release knows only {HEAD}; upgrade codingbrain"
        raise SchemaNewerError(message)
    snapshot(path, f"before-{HEAD}")
    await record.write(lambda connection: migrate.upgrade(connection, HEAD))
    return True


def _create(connection: Connection) -> None:
    """The newest schema in an empty database, at once: a test holds it equal to what the revisions build."""
    SQLModel.metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def snapshot(path: Path, label: str) -> Path:
    """A consistent, checked copy of a database beside it; only the newest few are kept."""
    folder = path.parent / "snapshots"
    folder.mkdir(mode=0o700, exist_ok=True)
    copy = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{label}.db"
    with sqlite_faults(), closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        if target.execute("PRAGMA quick_check").fetchone() != ("ok",):
            message = f"{path} is damaged; restore a backup before upgrading"
            raise StorageCorruptError(message)
    copy.chmod(0o600)
    logger.info("copied the database to {}", copy)
    for old in sorted(folder.glob("*.db"))[:-_KEEP]:
        old.unlink()
    return copy
