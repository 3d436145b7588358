"""What a lane returns."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Match:
    """One object found; a higher score is better, scores of different lanes are not comparable."""

    id: UUID
    score: float
