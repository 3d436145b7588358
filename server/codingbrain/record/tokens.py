"""Access tokens that were signed here, and those of identity providers that are refused here."""

from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col, select

from codingbrain.clock import Micros
from codingbrain.record.tables import DeniedRow, TokenRow, UserRow


def add(session: Session, row: TokenRow) -> None:
    """Store a new token."""
    session.add(row)
    session.flush()


def every(session: Session, org: UUID) -> list[tuple[TokenRow, str]]:
    """All tokens of an org with the names of their users, oldest first."""
    whose = (col(UserRow.org) == col(TokenRow.org)) & (col(UserRow.id) == col(TokenRow.user))
    query = select(TokenRow, UserRow.name).join(UserRow, whose).where(TokenRow.org == org)
    return [(row, name) for row, name in session.exec(query.order_by(col(TokenRow.id))).all()]


def revoke(session: Session, org: UUID, token: UUID, at: Micros) -> bool:
    """Revoke a token; false if there is none to revoke."""
    changed = session.exec(
        update(TokenRow)
        .where(col(TokenRow.org) == org, col(TokenRow.id) == token, col(TokenRow.revoked_at).is_(None))
        .values(revoked_at=at)
        .returning(col(TokenRow.id))
    )
    return changed.first() is not None


def revoke_all(session: Session, at: Micros) -> None:
    """Revoke the tokens of all orgs."""
    session.exec(update(TokenRow).where(col(TokenRow.revoked_at).is_(None)).values(revoked_at=at))


def deny(session: Session, row: DeniedRow) -> bool:
    """Refuse a token of an identity provider; false if it is refused already."""
    if session.get(DeniedRow, (row.org, row.issuer, row.jti)) is not None:
        return False
    session.add(row)
    session.flush()
    return True
