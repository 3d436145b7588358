"""Answers to writes that carried an idempotency key."""

from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from codingbrain.clock import DAY, Micros
from codingbrain.errors import IdempotencyConflictError
from codingbrain.record.tables import IdempotencyRow
from codingbrain.record.unit import Unit


def recall(unit: Unit, key: str, request: bytes) -> list[dict[str, Any]] | None:
    """The stored answer to the same request under this key.

    Raises:
        IdempotencyConflictError: the key was used for another request.
    """
    query = select(IdempotencyRow).where(
        IdempotencyRow.org == unit.principal.org,
        IdempotencyRow.user == unit.principal.user,
        IdempotencyRow.key == key,
    )
    row = unit.session.exec(query).first()
    if row is not None and row.request != request:
        message = "this idempotency_key was used with different arguments; use a new key for a new write"
        raise IdempotencyConflictError(message)
    return row.answer if row is not None else None


def remember(unit: Unit, key: str, request: bytes, answer: list[dict[str, Any]], at: Micros) -> None:
    """Store the answer with the write itself."""
    unit.session.add(
        IdempotencyRow(
            org=unit.principal.org, user=unit.principal.user, key=key, request=request, answer=answer, created_at=at
        )
    )


def expire(session: Session, at: Micros) -> None:
    """Forget answers older than a day."""
    session.exec(delete(IdempotencyRow).where(col(IdempotencyRow.created_at) < at - DAY))
