"""Measures of a ranking against binary relevance, and how sure a mean over questions is.

Recall at k and nDCG at k (Järvelin and Kekäläinen, TOIS 2002, binary gains) as trec_eval defines them; the reciprocal
rank is that of the first relevant text among the first ten.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

import numpy as np

Ranking = Sequence[str]
Measure = Callable[[Ranking, AbstractSet[str]], float]

_RESAMPLES = 5_000
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions with its 95 % percentile bootstrap interval."""

    mean: float
    low: float
    high: float


def recall(ranking: Ranking, relevant: AbstractSet[str], k: int) -> float:
    """The share of the relevant texts that the first `k` hold."""
    return len(relevant & set(ranking[:k])) / len(relevant)


def reciprocal_rank(ranking: Ranking, relevant: AbstractSet[str], k: int = 10) -> float:
    return next((1 / rank for rank, id_ in enumerate(ranking[:k], 1) if id_ in relevant), 0.0)


def ndcg(ranking: Ranking, relevant: AbstractSet[str], k: int) -> float:
    gain = sum(1 / math.log2(rank + 1) for rank, id_ in enumerate(ranking[:k], 1) if id_ in relevant)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return gain / ideal


MEASURES: Mapping[str, Measure] = {
    "recall@10": partial(recall, k=10),
    "recall@5": partial(recall, k=5),
    "MRR@10": reciprocal_rank,
    "nDCG@10": partial(ndcg, k=10),
}


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of one value per question; the resampling is seeded, so that a figure can be reproduced."""
    means = np.sort(_resampled(np.asarray(values, dtype=np.float64)))
    return Estimate(float(np.mean(values)), *(float(x) for x in np.percentile(means, [2.5, 97.5])))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """The mean of the paired differences; an interval without 0 says that one is better at the 5 % level."""
    return estimate([a - b for a, b in zip(ours, theirs, strict=True)])


def _resampled(values: np.ndarray) -> np.ndarray:
    picks = np.random.default_rng(_SEED).integers(0, len(values), (_RESAMPLES, len(values)))
    return values[picks].mean(axis=1)
