"""Organisations and their users."""

from typing import Final

from sqlmodel import Session, select

from codingbrain.clock import Micros
from codingbrain.ids import Mint
from codingbrain.record.tables import OrgRow, UserRow

LOCAL_ORG: Final = "local"
LOCAL_USER: Final = "owner"


def local_user(session: Session) -> UserRow | None:
    """The user of an embedded install, if it was set up already."""
    query = select(UserRow).join(OrgRow).where(OrgRow.name == LOCAL_ORG, UserRow.name == LOCAL_USER)
    return session.exec(query).first()


def settle_local_user(session: Session, mint: Mint, at: Micros) -> UserRow:
    """The user of an embedded install, set up on first use."""
    if found := local_user(session):
        return found
    org = OrgRow(id=mint(), name=LOCAL_ORG, created_at=at)
    user = UserRow(org=org.id, id=mint(), name=LOCAL_USER, created_at=at)
    session.add(org)
    session.flush()
    session.add(user)
    return user
