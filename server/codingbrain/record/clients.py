"""Clients that have used an org."""

from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col, select

from codingbrain.clock import Micros
from codingbrain.record.tables import ClientRow


def seen(session: Session, org: UUID, name: str, at: Micros) -> ClientRow:
    """The client of this name, remembered if it is new."""
    if (found := named(session, org, name)) is not None:
        return found
    row = ClientRow(org=org, name=name, created_at=at, blocked_at=None)
    session.add(row)
    session.flush()
    return row


def every(session: Session, org: UUID) -> list[ClientRow]:
    """All clients of an org, by name."""
    return list(session.exec(select(ClientRow).where(ClientRow.org == org).order_by(col(ClientRow.name))).all())


def named(session: Session, org: UUID, name: str) -> ClientRow | None:
    """The client of this name."""
    return session.get(ClientRow, (org, name))


def block(session: Session, client: ClientRow, at: Micros | None) -> None:
    """Refuse whatever the client brings from now on; `None` lets it in again."""
    which = (col(ClientRow.org) == client.org, col(ClientRow.name) == client.name)
    session.exec(update(ClientRow).where(*which).values(blocked_at=at))
