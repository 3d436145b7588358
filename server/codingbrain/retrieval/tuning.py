"""The settings that decide a ranking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from codingbrain.clock import Micros
from codingbrain.domain.query import Lane

Method = Literal["score", "rank"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """How lanes are fused, how far each reaches, and how long it may take (seconds)."""

    method: Method
    weights: Mapping[Lane, float]
    half_life: Micros
    candidates: int
    lane_timeout: float
