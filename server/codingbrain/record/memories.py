"""Memories of one principal's org, as far as the principal may see them."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, delete, insert, tuple_, update
from sqlalchemy import select as core_select
from sqlmodel import SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from codingbrain.clock import Micros
from codingbrain.domain.memory import Event, Memory, Revision, State
from codingbrain.domain.query import Criteria
from codingbrain.record.hydrate import hydrate
from codingbrain.record.rows import children_of, columns_of, memory_of_snapshot, snapshot_of, text_digest
from codingbrain.record.tables import CodeRow, EntityRow, MemoryRow, RevisionRow, TagRow
from codingbrain.record.unit import Unit

# Built once: every call runs one of these, and building it costs more than running it.
_TWIN = (
    select(MemoryRow.id)
    .where(
        col(MemoryRow.org) == bindparam("org"),
        col(MemoryRow.audience) == bindparam("audience"),
        col(MemoryRow.digest) == bindparam("digest"),
        col(MemoryRow.state) == State.ACTIVE.value,
    )
    .order_by(col(MemoryRow.id))
    .limit(1)
)
# Who may see a row that was looked up by its key is asked of the row: as a condition, it would tempt a planner without
# statistics to walk through everything that the caller may see.
_KEYS = (col(MemoryRow.org) == bindparam("org"), col(MemoryRow.id).in_(bindparam("ids", expanding=True)))
_BY_KEY = select(MemoryRow).where(*_KEYS)


@lru_cache(maxsize=64)
def _stamps(criteria: Criteria) -> Select[UUID, int, str]:
    return core_select(col(MemoryRow.id), col(MemoryRow.updated_at), col(MemoryRow.audience)).where(
        *_KEYS, *_conditions(criteria)
    )


class Memories:
    """The repository of memories within one transaction; what the principal may not see does not exist."""

    def __init__(self, unit: Unit) -> None:
        self._session = unit.session
        self._principal = unit.principal
        self._org = unit.principal.org
        self._audiences = unit.principal.audiences

    def insert(self, memory: Memory, at: Micros) -> None:
        """Store a new memory, and its first revision."""
        own = {"owner": self._principal.user, "audience": self._principal.audience, "deleted_at": None}
        self._insert(MemoryRow, [{"org": self._org, "id": memory.id, **own, **columns_of(memory)}])
        self._insert_children(memory)
        self._revise(memory, Event.CREATED, at)

    def replace(self, memory: Memory, event: Event, at: Micros) -> None:
        """Store the next version of a memory, and a revision of it."""
        deleted_at = at if memory.state is State.DELETED else None
        self._session.exec(
            update(MemoryRow)
            .where(col(MemoryRow.org) == self._org, col(MemoryRow.id) == memory.id)
            .values(deleted_at=deleted_at, **columns_of(memory))
        )
        for table in (TagRow, EntityRow, CodeRow):
            self._session.exec(delete(table).where(col(table.org) == self._org, col(table.memory) == memory.id))
        self._insert_children(memory)
        self._revise(memory, event, at)

    def get(self, memory_id: UUID) -> Memory | None:
        """One memory in any state."""
        return self.many([memory_id]).get(memory_id)

    def many(self, ids: Sequence[UUID]) -> dict[UUID, Memory]:
        """Those of `ids` that the principal may see, in any state."""
        connection = self._session.connection()
        rows = [row for row in connection.execute(_BY_KEY, self._keys(ids)) if row.audience in self._audiences]
        return {memory.id: memory for memory in hydrate(connection, self._org, rows)}

    def twin(self, text: str) -> Memory | None:
        """The oldest active memory of the same audience with the same text."""
        key = {"org": self._org, "audience": self._principal.audience, "digest": text_digest(text)}
        found = self._session.connection().execute(_TWIN, key).scalar()
        return self.get(found) if found is not None else None

    def page(self, criteria: Criteria, before: tuple[Micros, UUID] | None, limit: int) -> list[Memory]:
        """Memories that meet the criteria, newest first, after the given (created, id)."""
        query = self._visible().where(*_conditions(criteria))
        if before is not None:
            query = query.where(tuple_(col(MemoryRow.created_at), col(MemoryRow.id)) < before)
        query = query.order_by(col(MemoryRow.created_at).desc(), col(MemoryRow.id).desc()).limit(limit)
        return hydrate(self._session.connection(), self._org, self._session.exec(query).all())

    def stamps(self, ids: Sequence[UUID], criteria: Criteria) -> dict[UUID, Micros]:
        """When each of `ids` that meets the criteria was last changed."""
        rows = self._session.connection().execute(_stamps(criteria), self._keys(ids))
        return {row.id: row.updated_at for row in rows if row.audience in self._audiences}

    def ids(self, states: Iterable[State]) -> list[UUID]:
        """All memories of the principal's own audience in the given states, by id."""
        query = select(MemoryRow.id).where(
            MemoryRow.org == self._org,
            MemoryRow.audience == self._principal.audience,
            col(MemoryRow.state).in_([state.value for state in states]),
        )
        return list(self._session.exec(query.order_by(col(MemoryRow.id))).all())

    def revisions(self, memory_id: UUID, before: int | None, limit: int) -> list[Revision]:
        """A memory's history, newest first, below version `before`; empty if the principal may not see it."""
        if not self._session.exec(select(MemoryRow.id).where(*self._conditions(), MemoryRow.id == memory_id)).first():
            return []
        query = select(RevisionRow).where(RevisionRow.org == self._org, RevisionRow.memory == memory_id)
        if before is not None:
            query = query.where(col(RevisionRow.version) < before)
        rows = self._session.exec(query.order_by(col(RevisionRow.version).desc()).limit(limit)).all()
        return [Revision(memory_of_snapshot(row.snapshot), Event(row.event), row.at, row.client) for row in rows]

    def _keys(self, ids: Sequence[UUID]) -> dict[str, Any]:
        return {"org": self._org, "ids": ids}

    def _conditions(self) -> tuple[ColumnElement[bool], ...]:
        return (col(MemoryRow.org) == self._org, col(MemoryRow.audience).in_(sorted(self._audiences)))

    def _visible(self) -> SelectOfScalar[MemoryRow]:
        return select(MemoryRow).where(*self._conditions())

    def _insert_children(self, memory: Memory) -> None:
        for table, rows in children_of(memory).items():
            self._insert(table, [{"org": self._org, "memory": memory.id, **row} for row in rows])

    def _revise(self, memory: Memory, event: Event, at: Micros) -> None:
        whose = {"user": self._principal.user, "client": self._principal.client}
        what = {"memory": memory.id, "version": memory.version, "event": event.value, "snapshot": snapshot_of(memory)}
        self._insert(RevisionRow, [{"org": self._org, "at": at, **whose, **what}])

    def _insert(self, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
        """Insert past the unit of work: it costs several times the statement, and nothing here needs it."""
        if rows:
            self._session.connection().execute(insert(table), rows)


def _conditions(criteria: Criteria) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if criteria.states:
        conditions.append(col(MemoryRow.state).in_(sorted(state.value for state in criteria.states)))
    if criteria.categories:
        conditions.append(col(MemoryRow.category).in_(sorted(category.value for category in criteria.categories)))
    if criteria.tags:
        tagged = select(TagRow.memory).where(TagRow.org == MemoryRow.org, col(TagRow.tag).in_(sorted(criteria.tags)))
        conditions.append(col(MemoryRow.id).in_(tagged))
    if criteria.created_from is not None:
        conditions.append(col(MemoryRow.created_at) >= criteria.created_from)
    if criteria.created_to is not None:
        conditions.append(col(MemoryRow.created_at) < criteria.created_to)
    return conditions
