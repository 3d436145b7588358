"""Memories of one principal's org, as far as the principal may see them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from heapq import nlargest
from itertools import islice, takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, bindparam, delete, insert, or_, tuple_, update
from sqlalchemy import select as core_select
from sqlmodel import SQLModel, col, select

from codingbrain.clock import Micros
from codingbrain.domain.audit import OK, Entry
from codingbrain.domain.memory import Event, Memory, Revision, State, Visibility
from codingbrain.domain.query import Criteria
from codingbrain.identity.visibility import audience_of, coverage, sees, sessions_of
from codingbrain.record import audit
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
def _stamps(criteria: Criteria) -> Select[UUID, int, bytes, str, str]:
    return core_select(
        col(MemoryRow.id),
        col(MemoryRow.updated_at),
        col(MemoryRow.digest),
        col(MemoryRow.audience),
        col(MemoryRow.visibility),
    ).where(*_KEYS, *_conditions(criteria), *_in_states(criteria))


@lru_cache(maxsize=64)
def _newest(criteria: Criteria, after: bool) -> Select[int, UUID]:  # noqa: FBT001 - a key of the cache
    """The newest memories of one audience in one state: an index has them in this order."""
    query = (
        core_select(col(MemoryRow.created_at), col(MemoryRow.id))
        .where(
            col(MemoryRow.org) == bindparam("org"),
            col(MemoryRow.audience) == bindparam("audience"),
            col(MemoryRow.state) == bindparam("state"),
            *_conditions(criteria),
        )
        .order_by(col(MemoryRow.created_at).desc(), col(MemoryRow.id).desc())
        .limit(bindparam("limit"))
    )
    place = tuple_(col(MemoryRow.created_at), col(MemoryRow.id))
    last = tuple_(bindparam("created_at"), bindparam("before", type_=Uuid()))
    return query.where(place < last) if after else query


@dataclass(frozen=True, slots=True)
class Stamp:
    """What ranking has to know of a memory; equal texts have equal digests."""

    updated_at: Micros
    digest: bytes
    visibility: Visibility


class Memories:
    """The repository of memories within one transaction; what the principal may not see does not exist.

    It reads the own org and the linked pools, and writes the own org only.
    """

    def __init__(self, unit: Unit) -> None:
        self._session = unit.session
        self._principal = unit.principal
        self._org = unit.principal.org
        self._request_id = unit.request_id

    def insert(self, memory: Memory, at: Micros) -> None:
        """Store a new memory, and its first revision."""
        own = {"owner": memory.owner, "deleted_at": None}
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
        rows: dict[UUID, list[Any]] = defaultdict(list)
        for row in self._seen(ids):
            rows[row.org].append(row)
        return {
            memory.id: self._as_seen(org, memory)
            for org, of_org in rows.items()
            for memory in hydrate(connection, org, of_org)
        }

    def twin(self, memory: Memory) -> Memory | None:
        """The oldest active memory of the same audience with the same text."""
        key = {"org": self._org, "audience": audience_of(memory), "digest": text_digest(memory.text)}
        found = self._session.connection().execute(_TWIN, key).scalar()
        return self.get(found) if found is not None else None

    def page(self, criteria: Criteria, before: tuple[Micros, UUID] | None, limit: int) -> list[Memory]:
        """Memories that meet the criteria, newest first, after the given (created, id)."""
        statement = _newest(replace(criteria, states=frozenset[State](), session=None), before is not None)
        after = {} if before is None else {"created_at": before[0], "before": before[1]}
        found: list[tuple[Micros, UUID]] = []
        for org, labels in coverage(self._principal, criteria.session).items():
            for audience in labels:
                for state in criteria.states or State:
                    key = {"org": org, "audience": audience, "state": state.value, "limit": limit, **after}
                    rows = self._session.connection().execute(statement, key)
                    found += [(row.created_at, row.id) for row in rows]
        newest = [id_ for _, id_ in nlargest(limit, found)]
        memories = self.many(newest)
        return [memories[id_] for id_ in newest]

    def stamps(self, ids: Sequence[UUID], criteria: Criteria) -> dict[UUID, Stamp]:
        """Those of `ids` that meet the criteria and that a search with them covers."""
        statement = _stamps(replace(criteria, session=None) if criteria.session else criteria)
        found: dict[UUID, Stamp] = {}
        for org, labels in coverage(self._principal, criteria.session).items():
            for row in self._session.connection().execute(statement, {"org": org, "ids": ids}):
                if row.audience in labels:
                    found.setdefault(row.id, Stamp(row.updated_at, row.digest, self._visibility(org, row.visibility)))
        return found

    def ids(self, states: Iterable[State]) -> list[UUID]:
        """All memories in the given states that only the principal sees, by id."""
        user, sessions = self._principal.user, sessions_of(self._principal.user)
        after_sessions = sessions[:-1] + chr(ord(sessions[-1]) + 1)
        audience = col(MemoryRow.audience)
        query = select(MemoryRow.id).where(
            MemoryRow.org == self._org,
            or_(audience == f"user:{user}", (audience >= sessions) & (audience < after_sessions)),
            col(MemoryRow.state).in_([state.value for state in states]),
        )
        return sorted(self._session.exec(query).all())

    def revisions(self, memory_id: UUID, before: int | None, limit: int) -> list[Revision]:
        """A memory's history, newest first, below version `before`; empty if the principal may not see it.

        For all but its author it ends before the first version that they could not have seen at its time; its author
        does not see what a team or project made of it that they have left.
        """
        return [step for row in self._seen([memory_id]) for step in self._steps(row, before, limit)]

    def _steps(self, current: Any, before: int | None, limit: int) -> list[Revision]:  # noqa: ANN401 - a row
        org, own = current.org, current.owner == self._principal.user
        query = select(RevisionRow).where(RevisionRow.org == org, RevisionRow.memory == current.id)
        query = query.order_by(col(RevisionRow.version).desc())
        if before is not None:
            newer = query.where(col(RevisionRow.version) >= before)
            if not own and not all(self._was_seen(row, current) for row in self._session.exec(newer)):
                return []
            query = query.where(col(RevisionRow.version) < before)
        rows = self._session.exec(query if own else query.limit(limit))
        seen = partial(self._was_seen, current=current)
        shown = islice(filter(seen, rows), limit) if own else takewhile(seen, rows)
        return [self._step(row, current) for row in shown]

    def _was_seen(self, row: RevisionRow, current: Any) -> bool:  # noqa: ANN401 - a row
        """Whether the principal could have seen a version of a memory at its time, being who they are now."""
        return sees(self._principal, current.org, audience_of(memory_of_snapshot(row.snapshot, current.owner)))

    def _step(self, row: RevisionRow, current: Any) -> Revision:  # noqa: ANN401 - a row
        memory = self._as_seen(current.org, memory_of_snapshot(row.snapshot, current.owner))
        return Revision(memory, Event(row.event), row.at, row.client)

    def _seen(self, ids: Sequence[UUID]) -> list[Any]:
        """The rows of those of `ids` that the principal may see when naming them."""
        rows: dict[UUID, Any] = {}
        for org in coverage(self._principal):
            if missing := [id_ for id_ in ids if id_ not in rows]:
                found = self._session.connection().execute(_BY_KEY, {"org": org, "ids": missing})
                rows |= {row.id: row for row in found if sees(self._principal, org, row.audience)}
        return list(rows.values())

    def _as_seen(self, org: UUID, memory: Memory) -> Memory:
        return memory if org == self._org else replace(memory, visibility=Visibility.ENTERPRISE)

    def _visibility(self, org: UUID, stored: str) -> Visibility:
        return Visibility(stored) if org == self._org else Visibility.ENTERPRISE

    def _insert_children(self, memory: Memory) -> None:
        for table, rows in children_of(memory).items():
            self._insert(table, [{"org": self._org, "memory": memory.id, **row} for row in rows])

    def _revise(self, memory: Memory, event: Event, at: Micros) -> None:
        whose = {"user": self._principal.user, "client": self._principal.client}
        what = {"memory": memory.id, "version": memory.version, "event": event.value, "snapshot": snapshot_of(memory)}
        self._insert(RevisionRow, [{"org": self._org, "at": at, **whose, **what}])
        self._log(f"memory.{event}", memory.id, at)

    def _log(self, action: str, memory: UUID, at: Micros) -> None:
        caller, about = self._principal, f"memory:{memory}"
        who = (caller.pseudonym, caller.client, self._request_id)
        audit.add(self._session, Entry(at, caller.org, action, OK, about, *who))

    def _insert(self, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
        """Insert past the unit of work: it costs several times the statement, and nothing here needs it."""
        if rows:
            self._session.connection().execute(insert(table), rows)


def _in_states(criteria: Criteria) -> list[ColumnElement[bool]]:
    return [col(MemoryRow.state).in_(sorted(state.value for state in criteria.states))] if criteria.states else []


def _conditions(criteria: Criteria) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
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
