"""What a search asks and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

from codingbrain.clock import Micros
from codingbrain.domain.memory import Category, Memory, State

MAX_QUERY: Final = 2_000
"""Characters of one query."""

MAX_LIMIT: Final = 100
"""Hits of one page."""


class Lane(StrEnum):
    """One leg of a search."""

    LEXICAL = "lexical"
    VECTOR = "vector"
    RECENCY = "recency"


class Ran(StrEnum):
    """What became of a lane."""

    RAN = "ran"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Criteria:
    """Hard filters; within a field any value matches, across fields all must.

    `session` is no filter: it adds the caller's notes of that session, which are left out otherwise.
    """

    categories: frozenset[Category] = frozenset()
    tags: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset({State.ACTIVE})
    created_from: Micros | None = None
    created_to: Micros | None = None
    """Half-open: from ≤ created < to."""
    session: str | None = None

    @property
    def key(self) -> str:
        """Equal for equal criteria."""
        sets = (sorted(self.categories), sorted(self.tags), sorted(self.states))
        return repr((*sets, self.created_from, self.created_to, self.session))


@dataclass(frozen=True, slots=True)
class Query:
    """One search as its caller put it."""

    text: str
    limit: int = 10
    max_tokens: int | None = None
    criteria: Criteria = field(default_factory=Criteria)
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How one lane saw a hit: its 1-based rank there, and the lane's own score."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer, best first; `why` holds each lane that ranked it."""

    memory: Memory
    score: float
    snippet: str
    why: Mapping[Lane, Standing]


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What a lane did in this search, in milliseconds, why if it did not run, and what it cannot do at all."""

    outcome: Ran
    millis: float = 0.0
    reason: str | None = None
    limits: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, and how they came about; `degraded` means that a lane which should have run did not."""

    query_id: UUID
    hits: tuple[Hit, ...]
    lanes: Mapping[Lane, LaneReport]
    degraded: bool
    timings: Mapping[str, float]
    cursor: str | None = None
