"""What a writer is told: what is durable, and which lanes can find it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Outcome(StrEnum):
    """What became of one item of a write."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    RESTORED = "restored"
    FAILED = "failed"


class Indexing(StrEnum):
    """Whether a lane can find the write."""

    INDEXED = "indexed"
    QUEUED = "queued"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one item failed, with the stable code of the error."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one item; `durable` means committed to disk before this was said."""

    outcome: Outcome
    id: UUID | None = None
    version: int | None = None
    durable: bool = False
    duplicate_of: UUID | None = None
    lexical: Indexing | None = None
    vector: Indexing | None = None
    queue_depth: int | None = None
    error: Fault | None = None
