"""Organisations, the pools that are linked to them, and the org of an embedded install."""

from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col, select

from codingbrain.clock import Micros
from codingbrain.ids import Mint
from codingbrain.record.tables import LinkRow, OrgRow, UserRow

LOCAL_ORG: Final = "local"
LOCAL_USER: Final = "owner"

_OWNER: Final = "owner"


def settle_local_user(session: Session, mint: Mint, at: Micros) -> UserRow:
    """The user of an embedded install, set up on first use."""
    query = select(UserRow).join(OrgRow).where(OrgRow.name == LOCAL_ORG, UserRow.name == LOCAL_USER)
    if found := session.exec(query).first():
        return found
    org = OrgRow(id=mint(), name=LOCAL_ORG, created_at=at)
    names = {"name": LOCAL_USER, "role": _OWNER}
    user = UserRow(org=org.id, id=mint(), pseudonym=mint(), created_at=at, disabled_at=None, **names)
    session.add(org)
    session.flush()
    session.add(user)
    return user


def add(session: Session, row: OrgRow) -> None:
    """Store a new org, whose name is free."""
    session.add(row)
    session.flush()


def named(session: Session, name: str) -> OrgRow | None:
    """The org of this name."""
    return session.exec(select(OrgRow).where(OrgRow.name == name)).first()


def every(session: Session) -> list[OrgRow]:
    """All orgs, by name."""
    return list(session.exec(select(OrgRow).order_by(col(OrgRow.name))).all())


def links(session: Session) -> list[LinkRow]:
    """All links between orgs."""
    return list(session.exec(select(LinkRow)).all())


def link(session: Session, row: LinkRow) -> bool:
    """Let an org read a pool; false if it may already."""
    if session.get(LinkRow, (row.org, row.pool)) is not None:
        return False
    session.add(row)
    session.flush()
    return True


def unlink(session: Session, org: UUID, pool: UUID) -> bool:
    """Take that back; false if there was no link."""
    gone = delete(LinkRow).where(col(LinkRow.org) == org, col(LinkRow.pool) == pool).returning(col(LinkRow.pool))
    return session.exec(gone).first() is not None
