"""Bearer tokens that were issued here."""

from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col, select

from codingbrain.clock import Micros
from codingbrain.record.tables import TokenRow, UserRow


def add(session: Session, row: TokenRow) -> None:
    """Store a new token."""
    session.add(row)


def find(session: Session, org: UUID, token: UUID) -> tuple[TokenRow, str] | None:
    """A token by its id, whatever its state, and the name of its user."""
    query = (
        select(TokenRow, UserRow.name)
        .join(UserRow, (col(UserRow.org) == col(TokenRow.org)) & (col(UserRow.id) == col(TokenRow.user)))
        .where(TokenRow.org == org, TokenRow.id == token)
    )
    row = session.exec(query).first()
    return None if row is None else (row[0], row[1])


def every(session: Session, org: UUID) -> list[TokenRow]:
    """All tokens of an org, oldest first."""
    return list(session.exec(select(TokenRow).where(TokenRow.org == org).order_by(col(TokenRow.id))).all())


def revoke(session: Session, org: UUID, token: UUID, at: Micros) -> bool:
    """Revoke a token; false if there is none to revoke."""
    changed = session.exec(
        update(TokenRow)
        .where(col(TokenRow.org) == org, col(TokenRow.id) == token, col(TokenRow.revoked_at).is_(None))
        .values(revoked_at=at)
        .returning(col(TokenRow.id))
    )
    return changed.first() is not None
