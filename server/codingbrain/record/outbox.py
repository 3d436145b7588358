"""The outbox: which objects an index still has to take up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlmodel import Session, col, select

from codingbrain.clock import SECOND, Micros
from codingbrain.record.tables import OutboxRow
from codingbrain.record.unit import Unit

MOST_ATTEMPTS: Final = 8
"""Attempts after which an entry is dead: it stays visible, and only an operator revives it."""

_LONGEST_WAIT: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Entry:
    """One change to take up, oldest first by `seq`."""

    seq: int
    org: UUID
    object: UUID
    version: int
    attempts: int
    created_at: Micros


def enqueue(unit: Unit, lane: str, changed: UUID, version: int, at: Micros) -> None:
    """Note in the caller's transaction that a lane has to take up an object's version."""
    unit.session.add(
        OutboxRow(org=unit.principal.org, object=changed, version=version, lane=lane, created_at=at, due_at=at)
    )


def pending(unit: Unit, lane: str, objects: Sequence[UUID]) -> dict[UUID, bool]:
    """Which of `objects` the lane has not taken up, and whether it gave up on them."""
    orgs = [unit.principal.org, *unit.principal.pools]
    query = select(OutboxRow.object, func.max(OutboxRow.dead)).where(
        col(OutboxRow.org).in_(orgs), OutboxRow.lane == lane, col(OutboxRow.object).in_(objects)
    )
    return {waiting: bool(dead) for waiting, dead in unit.session.exec(query.group_by(col(OutboxRow.object))).all()}


def due(session: Session, lane: str, at: Micros, limit: int) -> list[Entry]:
    """The oldest entries of all tenants that may be tried now."""
    query = (
        select(OutboxRow)
        .where(OutboxRow.lane == lane, col(OutboxRow.dead).is_(False), OutboxRow.due_at <= at)
        .order_by(col(OutboxRow.seq))
        .limit(limit)
    )
    return [
        Entry(row.seq or 0, row.org, row.object, row.version, row.attempts, row.created_at)
        for row in session.exec(query).all()
    ]


def done(session: Session, entries: Sequence[Entry]) -> None:
    """Forget entries that the lane has taken up."""
    session.exec(delete(OutboxRow).where(col(OutboxRow.seq).in_([entry.seq for entry in entries])))


def give_back(session: Session, entry: Entry, code: str, at: Micros, *, retryable: bool) -> None:
    """Try an entry again, each time twice as late; without hope, or after `MOST_ATTEMPTS`, it is dead."""
    attempts = entry.attempts + 1
    session.exec(
        update(OutboxRow)
        .where(col(OutboxRow.seq) == entry.seq)
        .values(
            attempts=attempts,
            due_at=at + min(SECOND << attempts, _LONGEST_WAIT),
            error=code,
            dead=not retryable or attempts >= MOST_ATTEMPTS,
        )
    )


def depth(session: Session, lane: str) -> tuple[int, Micros | None]:
    """How many entries wait, and since when the oldest does."""
    query = select(func.count(), func.min(OutboxRow.created_at)).where(
        OutboxRow.lane == lane, col(OutboxRow.dead).is_(False)
    )
    count, oldest = session.exec(query).one()
    return count, oldest


def revive(session: Session, at: Micros) -> None:
    """Give dead entries another round; done when the server starts."""
    session.exec(update(OutboxRow).where(col(OutboxRow.dead).is_(True)).values(dead=False, attempts=0, due_at=at))


def enqueue_all(session: Session, org: UUID, lane: str, objects: Sequence[UUID], at: Micros) -> None:
    """Note objects, of whatever version, that a lane has to look at and that do not wait already."""
    waiting = select(OutboxRow.object).where(
        OutboxRow.org == org, OutboxRow.lane == lane, col(OutboxRow.object).in_(objects)
    )
    missing = set(objects) - set(session.exec(waiting).all())
    session.add_all(
        OutboxRow(org=org, object=changed, version=0, lane=lane, created_at=at, due_at=at)
        for changed in sorted(missing)
    )
