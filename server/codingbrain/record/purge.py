"""The end of a deleted memory: its rows, its history, and whatever still waits to be indexed."""

from sqlalchemy import delete, tuple_
from sqlmodel import Session, col, select

from codingbrain.clock import Micros
from codingbrain.record.tables import MemoryRow


def purge_deleted(session: Session, before: Micros, limit: int) -> int:
    """Remove at most `limit` memories of all tenants that were deleted before then; how many there were.

    The child tables and revisions go with the row (ON DELETE CASCADE).
    """
    query = select(MemoryRow.org, MemoryRow.id).where(col(MemoryRow.deleted_at) < before).limit(limit)
    keys = [(org, memory) for org, memory in session.exec(query).all()]
    if keys:
        session.exec(delete(MemoryRow).where(tuple_(col(MemoryRow.org), col(MemoryRow.id)).in_(keys)))
    return len(keys)
