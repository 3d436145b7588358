"""Ways to make one ranking of several scored lists, as pure functions to choose among.

Each takes lists of (id, score), best first, with one weight per list, and gives ids, best first, ties by id. A text
that a list does not hold gets nothing from it. `rank`: Cormack et al., SIGIR 2009; `minmax`: Fox and Shaw, TREC-2;
`floored`: the theoretical minimum as lower bound, Bruch et al., TOIS 2023; `normal`: distribution-based score fusion.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from tests.quality.metrics import Ranking

Scored = Sequence[tuple[str, float]]
Normalise = Callable[[Sequence[float]], Sequence[float]]
Fusion = Callable[[Sequence[Scored], Sequence[float]], Ranking]


def combine(normalise: Normalise) -> Fusion:
    """The weighted sum of normalised scores."""

    def fuse(lists: Sequence[Scored], weights: Sequence[float]) -> Ranking:
        sums: dict[str, float] = {}
        for scored, weight in zip(lists, weights, strict=True):
            shares = normalise([score for _, score in scored])
            for (id_, _), share in zip(scored, shares, strict=True):
                sums[id_] = sums.get(id_, 0.0) + weight * share
        return sorted(sums, key=lambda id_: (-sums[id_], id_))

    return fuse


def rank(constant: int) -> Normalise:
    return lambda scores: [(constant + 1) / (constant + place) for place in range(1, len(scores) + 1)]


def minmax(scores: Sequence[float]) -> Sequence[float]:
    """The best gets 1, the last 0."""
    return _scaled(scores, min(scores), max(scores)) if scores else []


def floored(scores: Sequence[float]) -> Sequence[float]:
    """The best gets 1, a score of 0 gets 0."""
    return _scaled(scores, min(0.0, *scores), max(scores)) if scores else []


def normal(scores: Sequence[float]) -> Sequence[float]:
    """Three standard deviations below the mean get 0, three above get 1, what lies beyond is cut off."""
    if len(scores) < 2:
        return [1.0 for _ in scores]
    mean, deviation = statistics.fmean(scores), statistics.pstdev(scores)
    return [min(1.0, max(0.0, share)) for share in _scaled(scores, mean - 3 * deviation, mean + 3 * deviation)]


def standard(scores: Sequence[float]) -> Sequence[float]:
    """The standard score, squeezed into (0, 1) by the logistic function."""
    if len(scores) < 2:
        return [1.0 for _ in scores]
    mean, deviation = statistics.fmean(scores), statistics.pstdev(scores) or 1.0
    return [1 / (1 + math.exp(-(score - mean) / deviation)) for score in scores]


def robust(scores: Sequence[float]) -> Sequence[float]:
    """The distance from the last in median absolute deviations: a list whose first stand out weighs more."""
    if len(scores) < 2:
        return [1.0 for _ in scores]
    middle, low = statistics.median(scores), min(scores)
    deviation = statistics.median(abs(score - middle) for score in scores) or 1.0
    return [(score - low) / deviation for score in scores]


FUSIONS: Mapping[str, Fusion] = {
    "rank k=10": combine(rank(10)),
    "rank k=60": combine(rank(60)),
    "minmax": combine(minmax),
    "floored": combine(floored),
    "normal": combine(normal),
    "standard": combine(standard),
    "robust": combine(robust),
}


def _scaled(scores: Sequence[float], low: float, high: float) -> list[float]:
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]
