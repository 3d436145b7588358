"""Whole memories from their rows and child rows, in one query per table."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlmodel import Session, col, select

from codingbrain.domain.memory import Memory, State
from codingbrain.record.rows import memory_of
from codingbrain.record.tables import CodeRow, EntityRow, MemoryRow, OrgRow, TagRow

_Child = TypeVar("_Child", TagRow, EntityRow, CodeRow)


@dataclass(frozen=True, slots=True)
class Indexable:
    """A memory and who may see it: what an index has to know."""

    memory: Memory
    audience: str


def hydrate(session: Session, org: UUID, rows: Sequence[MemoryRow]) -> list[Memory]:
    """Memories in the order of their rows."""
    ids = [row.id for row in rows]
    tags = _children(session, TagRow, org, ids, TagRow.tag)
    entities = _children(session, EntityRow, org, ids, EntityRow.ordinal)
    code = _children(session, CodeRow, org, ids, CodeRow.ordinal)
    return [
        memory_of(row, (tag.tag for tag in tags[row.id]), (entity.name for entity in entities[row.id]), code[row.id])
        for row in rows
    ]


def indexable(session: Session, org: UUID, ids: Sequence[UUID]) -> dict[UUID, Indexable]:
    """Those of an org's memories that exist, whoever may see them; for the indexers only."""
    rows = session.exec(select(MemoryRow).where(MemoryRow.org == org, col(MemoryRow.id).in_(ids))).all()
    memories = hydrate(session, org, rows)
    return {row.id: Indexable(memory, row.audience) for row, memory in zip(rows, memories, strict=True)}


def _children(
    session: Session,
    table: type[_Child],
    org: UUID,
    ids: Sequence[UUID],
    order: Any,  # noqa: ANN401 - a column, which SQLModel types as its value
) -> dict[UUID, list[_Child]]:
    found: dict[UUID, list[_Child]] = defaultdict(list)
    if ids:
        for row in session.exec(select(table).where(table.org == org, col(table.memory).in_(ids)).order_by(order)):
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
