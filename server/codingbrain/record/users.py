"""Users of an org, what they are members of, and whom identity providers mean by them."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlmodel import Session, col, select

from codingbrain.record.tables import GrantRow, IdentityRow, UserRow


def add(session: Session, row: UserRow) -> None:
    """Store a new user, whose name is free in the org."""
    session.add(row)
    session.flush()


def named(session: Session, org: UUID, name: str) -> UserRow | None:
    """The user of this name."""
    return session.exec(select(UserRow).where(UserRow.org == org, UserRow.name == name)).first()


def get(session: Session, org: UUID, user: UUID) -> UserRow | None:
    """The user with this id."""
    return session.get(UserRow, (org, user))


def every(session: Session, org: UUID) -> list[UserRow]:
    """All users of an org, by name."""
    return list(session.exec(select(UserRow).where(UserRow.org == org).order_by(col(UserRow.name))).all())


def change(session: Session, user: UserRow, **values: Any) -> None:  # noqa: ANN401 - columns of the row
    """Set columns of a user."""
    which = (col(UserRow.org) == user.org, col(UserRow.id) == user.id)
    session.exec(update(UserRow).where(*which).values(**values))


def count(session: Session, org: UUID, role: str) -> int:
    """How many users of an org have this role and are not disabled."""
    which = (UserRow.org == org, UserRow.role == role, col(UserRow.disabled_at).is_(None))
    return session.exec(select(func.count()).select_from(UserRow).where(*which)).one()


def grants(session: Session, org: UUID) -> list[GrantRow]:
    """Every membership in an org, in order."""
    return list(session.exec(select(GrantRow).where(GrantRow.org == org).order_by(col(GrantRow.grant))).all())


def grant(session: Session, row: GrantRow) -> bool:
    """Make a user a member; false if they are one."""
    if session.get(GrantRow, (row.org, row.user, row.grant)) is not None:
        return False
    session.add(row)
    session.flush()
    return True


def ungrant(session: Session, user: UserRow, grant: str) -> bool:
    """End a membership; false if there was none."""
    which = (col(GrantRow.org) == user.org, col(GrantRow.user) == user.id, col(GrantRow.grant) == grant)
    return session.exec(delete(GrantRow).where(*which).returning(col(GrantRow.grant))).first() is not None


def identities(session: Session, org: UUID) -> list[IdentityRow]:
    """Whom identity providers mean by the users of an org, in order."""
    query = select(IdentityRow).where(IdentityRow.org == org)
    return list(session.exec(query.order_by(col(IdentityRow.issuer), col(IdentityRow.subject))).all())


def bind(session: Session, row: IdentityRow) -> bool:
    """Let a subject of an identity provider stand for a user; false if it stands for one already."""
    if session.get(IdentityRow, (row.org, row.issuer, row.subject)) is not None:
        return False
    session.add(row)
    session.flush()
    return True
