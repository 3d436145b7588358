"""Rate limits that administrators set."""

from sqlalchemy import delete
from sqlmodel import Session, col, select

from codingbrain.clock import Micros
from codingbrain.record.tables import LimitRow
from codingbrain.record.unit import Unit


def every(session: Session) -> list[LimitRow]:
    """All rows of all orgs."""
    return list(session.exec(select(LimitRow)).all())


def put(unit: Unit, subject: str, burst: str, sustained: str, at: Micros) -> None:
    """Set the limit of a subject of the caller's org, whether or not it was set before."""
    row = LimitRow(org=unit.principal.org, subject=subject, burst=burst, sustained=sustained, updated_at=at)
    unit.session.merge(row)


def drop(unit: Unit, subject: str) -> bool:
    """Forget it; false if nothing was set."""
    which = (col(LimitRow.org) == unit.principal.org, col(LimitRow.subject) == subject)
    return unit.session.exec(delete(LimitRow).where(*which).returning(col(LimitRow.subject))).first() is not None
