"""The rows behind the index: what lasts."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from codingbrain.ports.filters import Facets
from codingbrain.ports.vectors import DropVectors, PutVectors, Relabel, VectorChange
from codingbrain.stores.vectors.codes import encode, form

LAYOUT: Final = 2

_CREATE: Final = """
    CREATE TABLE IF NOT EXISTS vectors (
      org BLOB NOT NULL, model TEXT NOT NULL, object BLOB NOT NULL, version INTEGER NOT NULL,
      digest BLOB, audience TEXT, labels TEXT, created_at INTEGER, data BLOB,
      PRIMARY KEY (org, model, object))"""
_CREATE_LAYOUT: Final = "CREATE TABLE IF NOT EXISTS vectors_layout (layout INTEGER NOT NULL)"
_FIND: Final = "SELECT version, data FROM vectors WHERE org = ? AND model = ? AND object = ?"
_DIGEST: Final = "SELECT digest FROM vectors WHERE org = ? AND model = ? AND object = ? AND data IS NOT NULL"
_PUT: Final = "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DROP: Final = "INSERT OR REPLACE INTO vectors (org, model, object, version) VALUES (?, ?, ?, ?)"
_RELABEL: Final = """
    UPDATE vectors SET version = ?, audience = ?, labels = ?, created_at = ?
    WHERE org = ? AND model = ? AND object = ?"""
_PAGE: Final = """
    SELECT object, version FROM vectors
    WHERE org = ? AND model = ? AND data IS NOT NULL AND object > ? ORDER BY object LIMIT ?"""
_COUNT: Final = "SELECT count(*) FROM vectors WHERE org = ? AND model = ?"
_ALL: Final = """
    SELECT object, audience, labels, created_at, data FROM vectors
    WHERE org = ? AND model = ? AND data IS NOT NULL"""
_CLEAR: Final = "DELETE FROM vectors WHERE org = ? AND model = ?"

_LOADED_AT_ONCE: Final = 1_000

Key = tuple[bytes, str]
"""An org and a model."""


class Row(NamedTuple):
    """An object as the database has it; `labels` is a JSON array, `data` holds one record of `codes.form` per chunk."""

    object: bytes
    audience: str
    labels: str
    created_at: int
    data: bytes


class Batch(NamedTuple):
    """Objects by columns; lists of positions say which of them carry an audience or a label."""

    objects: NDArray[np.uint64]
    """Shape (objects, 2)."""
    chunks: NDArray[np.intp]
    """How many records each object has."""
    created: NDArray[np.int64]
    audiences: Mapping[str, Sequence[int]]
    labels: Mapping[str, Sequence[int]]
    records: NDArray[Any]


def prepare(connection: Connection) -> None:
    """Create what is missing; drop what has another layout."""
    connection.exec_driver_sql(_CREATE_LAYOUT)
    if connection.exec_driver_sql("SELECT layout FROM vectors_layout").scalar() != LAYOUT:
        connection.exec_driver_sql("DROP TABLE IF EXISTS vectors")
        connection.exec_driver_sql("DELETE FROM vectors_layout")
        connection.exec_driver_sql("INSERT INTO vectors_layout VALUES (?)", (LAYOUT,))
    connection.exec_driver_sql(_CREATE)


def apply(connection: Connection, key: Key, changes: Sequence[VectorChange]) -> dict[bytes, Row | None]:
    """Write what is newer than what is there; returns what each object that changed is now, None if it is gone."""
    now: dict[bytes, Row | None] = {}
    for change in changes:
        version, data = connection.exec_driver_sql(_FIND, (*key, change.id.bytes)).first() or (-1, None)
        removes = isinstance(change, DropVectors) and data is not None
        if change.version < version or (change.version == version and not removes):
            continue
        match change:
            case PutVectors():
                now[change.id.bytes] = _put(connection, key, change)
            case Relabel() if data is not None:
                now[change.id.bytes] = _relabel(connection, key, change, data)
            case Relabel():
                pass
            case DropVectors():
                connection.exec_driver_sql(_DROP, (*key, change.id.bytes, change.version))
                now[change.id.bytes] = None
    return now


def digests(connection: Connection, key: Key, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The digests of those of `ids` that are there."""
    found = ((id_, connection.exec_driver_sql(_DIGEST, (*key, id_.bytes)).scalar()) for id_ in ids)
    return {id_: digest for id_, digest in found if digest is not None}


def versions(connection: Connection, key: Key, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
    """A page of what is there, by id."""
    rows = connection.exec_driver_sql(_PAGE, (*key, after.bytes if after else b"", limit))
    return [(UUID(bytes=object_), version) for object_, version in rows]


def clear(connection: Connection, key: Key) -> None:
    """Delete everything of a tenant and model, tombstones included."""
    connection.exec_driver_sql(_CLEAR, key)


def count(connection: Connection, key: Key) -> int:
    """How many objects there are, tombstones included."""
    return connection.exec_driver_sql(_COUNT, key).scalar_one()


def everything(connection: Connection, key: Key, dimension: int) -> Iterator[Batch]:
    """All objects, in batches that keep memory small."""
    for rows in connection.exec_driver_sql(_ALL, key).partitions(_LOADED_AT_ONCE):
        yield batch([Row(*row) for row in rows], dimension)


def batch(rows: Sequence[Row], dimension: int) -> Batch:
    """Rows by columns."""
    record = form(dimension)
    audiences, alike = _positions(row.audience for row in rows), _positions(row.labels for row in rows)
    labels: defaultdict[str, list[int]] = defaultdict(list)
    for text, positions in alike.items():
        for label in json.loads(text):
            labels[label] += positions
    return Batch(
        halves([row.object for row in rows]),
        np.array([len(row.data) // record.itemsize for row in rows], np.intp),
        np.array([row.created_at for row in rows], np.int64),
        audiences,
        labels,
        np.frombuffer(b"".join(row.data for row in rows), record),
    )


def halves(objects: Sequence[bytes]) -> NDArray[np.uint64]:
    """Ids as shape (objects, 2), in native byte order."""
    return np.frombuffer(b"".join(objects), ">u8").astype(np.uint64).reshape(-1, 2)


def _positions(values: Iterable[str]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for position, value in enumerate(values):
        found[value].append(position)
    return found


def _put(connection: Connection, key: Key, put: PutVectors) -> Row:
    row = Row(put.id.bytes, *_columns(put.facets), encode(put.vectors).tobytes())
    connection.exec_driver_sql(_PUT, (*key, row.object, put.version, put.digest, *row[1:]))
    return row


def _relabel(connection: Connection, key: Key, change: Relabel, data: bytes) -> Row:
    row = Row(change.id.bytes, *_columns(change.facets), data)
    connection.exec_driver_sql(_RELABEL, (change.version, *row[1:4], *key, row.object))
    return row


def _columns(facets: Facets) -> tuple[str, str, int]:
    return facets.audience, json.dumps(sorted(facets.labels)), facets.created_at
