"""The audit log's rows and the seals over them: added, sealed once, read; never changed otherwise."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, exists, func, insert, select, update
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col

from codingbrain.domain.audit import Entry, Line, Link, Sought
from codingbrain.errors import ConflictError
from codingbrain.record.tables import AuditRow, OrgRow, SealRow, UserRow

SCANNED: Final = 20_000
"""Rows that one page looks through at most."""

# Built once: every write runs it, and building it costs more than running it.
_INSERT: Final = insert(AuditRow)

_org, _seq, _seal = col(AuditRow.org), col(AuditRow.seq), col(AuditRow.seal)


def _each(column: Mapped[UUID]) -> CTE:
    """The different orgs of a table, by jumps through the index: their number decides, not that of the rows."""
    walk = select(select(column).order_by(column).limit(1).scalar_subquery().label("org")).cte(recursive=True)
    beyond = select(column).where(column > walk.c.org).order_by(column).limit(1).scalar_subquery()
    return walk.union_all(select(beyond).where(walk.c.org.is_not(None)))


_WALK: Final = _each(_org)
_WAITING: Final = select(_WALK.c.org).where(exists().where(_WALK.c.org == _org, _seal.is_(None)))
_EACH: Final = [select(_each(column).c.org) for column in (_org, col(SealRow.org))]


def add(session: Session, entry: Entry) -> None:
    """Write an entry in the transaction of what it tells about."""
    session.connection().execute(_INSERT, [_columns(entry)])


def add_all(session: Session, entries: Iterable[Entry]) -> None:
    """Write entries, at least one."""
    session.connection().execute(_INSERT, [_columns(entry) for entry in entries])


def waiting(session: Session) -> list[UUID]:
    """The chains that have entries without a seal."""
    return list(session.connection().execute(_WAITING).scalars())


def unsealed(session: Session, org: UUID, limit: int) -> list[Line]:
    """The oldest entries of a chain that have no seal."""
    query = select(AuditRow).where(_org == org, _seal.is_(None)).order_by(_seq).limit(limit)
    return [_line(row) for row in session.connection().execute(query)]


def newest(session: Session, org: UUID) -> Link | None:
    """The last seal of a chain."""
    query = select(SealRow).where(col(SealRow.org) == org).order_by(col(SealRow.number).desc()).limit(1)
    return next((_link(row) for row in session.connection().execute(query)), None)


def seal(session: Session, link: Link) -> None:
    """Store a seal, and put its number on the entries that it holds.

    Raises:
        ConflictError: between its first and last entry there are others than those it was made of.
    """
    connection = session.connection()
    connection.execute(insert(SealRow), [_seal_columns(link)])
    held = (_org == link.org, _seal.is_(None), _seq >= link.first, _seq <= link.last)
    if connection.execute(update(AuditRow).where(*held).values(seal=link.number)).rowcount != link.entries:
        raise ConflictError("entries were added while they were sealed")


def links(session: Session, org: UUID, after: int, limit: int) -> list[Link]:
    """The seals of a chain that follow number `after`, in order."""
    query = select(SealRow).where(col(SealRow.org) == org, col(SealRow.number) > after)
    return [_link(row) for row in session.connection().execute(query.order_by(col(SealRow.number)).limit(limit))]


def sealed(session: Session, org: UUID, first: int, last: int, limit: int) -> list[Line]:
    """The entries that claim a seal from number `first` to `last`, by seal and age."""
    query = select(AuditRow).where(_org == org, _seal >= first, _seal <= last).order_by(_seal, _seq).limit(limit)
    return [_line(row) for row in session.connection().execute(query)]


def stray(session: Session, org: UUID, last: int) -> Line | None:
    """An entry that claims a seal which a chain of `last` seals does not have."""
    for outside in (_seal > last, _seal < 1):
        query = select(AuditRow).where(_org == org, outside).order_by(_seal, _seq).limit(1)
        for row in session.connection().execute(query):
            return _line(row)
    return None


def pending(session: Session, org: UUID) -> int:
    """How many entries of a chain have no seal yet."""
    query = select(func.count()).select_from(AuditRow).where(_org == org, _seal.is_(None))
    return session.connection().execute(query).scalar_one()


def chains(session: Session) -> dict[UUID, str | None]:
    """Every chain, and the name of its org if it has one."""
    connection = session.connection()
    names = {row.id: row.name for row in connection.execute(select(OrgRow))}
    logged = {org for each in _EACH for org in connection.execute(each).scalars() if org is not None}
    return {org: names.get(org) for org in sorted(logged | set(names), key=lambda org: (names.get(org) or "", org))}


def page(
    session: Session, org: UUID | None, sought: Sought, before: int | None, limit: int
) -> tuple[list[Line], int | None]:
    """Lines of one org, or of all, newest first, below `seq` `before`; and below which the next page begins.

    A page looks through `SCANNED` rows at most, so it may hold less than `limit` while there is more.
    """
    connection, where = session.connection(), [] if org is None else [_org == org]
    if before is not None:
        where.append(_seq < before)
    ordered = select(_seq).where(*where).order_by(_seq.desc())
    floor = connection.execute(ordered.offset(SCANNED - 1).limit(1)).scalar()
    if floor is not None:
        where.append(_seq >= floor)
    query = select(AuditRow).where(*where, *_conditions(sought)).order_by(_seq.desc()).limit(limit + 1)
    lines = [_line(row) for row in connection.execute(query)]
    return (lines[:limit], lines[limit - 1].seq) if len(lines) > limit else (lines, floor)


def disown(session: Session, org: UUID, user: UUID, pseudonym: UUID) -> bool:
    """Give a user a new pseudonym, so that what the log has of them leads to nobody; false if there is no such user."""
    whose = (col(UserRow.org) == org, col(UserRow.id) == user)
    changed = update(UserRow).where(*whose).values(pseudonym=pseudonym)
    return session.connection().execute(changed).rowcount == 1


def _conditions(sought: Sought) -> list[ColumnElement[bool]]:
    wanted = {AuditRow.action: sought.action, AuditRow.outcome: sought.outcome}
    conditions = [col(column) == value for column, value in wanted.items() if value is not None]
    if sought.since is not None:
        conditions.append(col(AuditRow.at) >= sought.since)
    if sought.until is not None:
        conditions.append(col(AuditRow.at) < sought.until)
    return conditions


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "org": entry.org,
        "at": entry.at,
        "actor": entry.actor,
        "client": entry.client,
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome,
        "times": entry.times,
        "request_id": entry.request_id,
        "seal": None,
    }


def _line(row: Any) -> Line:  # noqa: ANN401 - a row as columns
    who = {"actor": row.actor, "client": row.client, "request_id": row.request_id}
    what = {"action": row.action, "outcome": row.outcome, "object": row.object, "times": row.times}
    return Line(row.seq, Entry(at=row.at, org=row.org, **what, **who), row.seal)


def _seal_columns(link: Link) -> dict[str, Any]:
    return {
        "org": link.org,
        "number": link.number,
        "entries": link.entries,
        "first_seq": link.first,
        "last_seq": link.last,
        "previous": link.previous,
        "digest": link.digest,
        "at": link.at,
    }


def _link(row: Any) -> Link:  # noqa: ANN401 - a row as columns
    return Link(row.org, row.number, row.entries, row.first_seq, row.last_seq, row.previous, row.at, row.digest)
