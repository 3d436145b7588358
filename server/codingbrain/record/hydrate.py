"""Whole memories from their rows and child rows, in one query per table."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam
from sqlmodel import Session, col, select

from codingbrain.domain.memory import Memory, State
from codingbrain.record.rows import memory_of
from codingbrain.record.tables import CodeRow, EntityRow, MemoryRow, OrgRow, TagRow

MemoryColumns = Any
"""A row of the memories table, loaded as an object or as plain columns."""


def _of_memories(table: type[TagRow | EntityRow | CodeRow]) -> Select[Any]:
    return select(table).where(
        col(table.org) == bindparam("org"), col(table.memory).in_(bindparam("ids", expanding=True))
    )


# Built once: every search runs them, and building one costs more than running it.
_TAGS = _of_memories(TagRow)
"""In no order: asked for one, SQLite reads all tags of the org by the index that has it."""
_ENTITIES = _of_memories(EntityRow).order_by(col(EntityRow.ordinal))
_CODE = _of_memories(CodeRow).order_by(col(CodeRow.ordinal))


def hydrate(connection: Connection, org: UUID, rows: Sequence[MemoryColumns]) -> list[Memory]:
    """Memories in the order of their rows."""
    key = {"org": org, "ids": [row.id for row in rows]}
    tags, entities, code = (_children(connection, statement, key) for statement in (_TAGS, _ENTITIES, _CODE))
    return [
        memory_of(row, (tag.tag for tag in tags[row.id]), (entity.name for entity in entities[row.id]), code[row.id])
        for row in rows
    ]


def indexable(session: Session, org: UUID, ids: Sequence[UUID]) -> dict[UUID, Memory]:
    """Those of an org's memories that exist, whoever may see them; for the indexers only."""
    rows = session.exec(select(MemoryRow).where(MemoryRow.org == org, col(MemoryRow.id).in_(ids))).all()
    return {memory.id: memory for memory in hydrate(session.connection(), org, rows)}


def _children(connection: Connection, statement: Select[Any], key: dict[str, Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    if key["ids"]:
        for row in connection.execute(statement, key):
            found[row.memory].append(row)
    return found


def orgs(session: Session) -> list[UUID]:
    """Every tenant."""
    return list(session.exec(select(OrgRow.id).order_by(col(OrgRow.id))).all())


def live_versions(session: Session, org: UUID, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
    """A page of (id, version) of an org's memories that are not deleted, by id."""
    query = select(MemoryRow.id, MemoryRow.version).where(MemoryRow.org == org, MemoryRow.state != State.DELETED.value)
    if after is not None:
        query = query.where(col(MemoryRow.id) > after)
    return [(id_, version) for id_, version in session.exec(query.order_by(col(MemoryRow.id)).limit(limit)).all()]
