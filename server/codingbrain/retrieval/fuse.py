"""Fusion of ranked lists into one, as pure functions.

`rank` is reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009) with weights; `score` is a weighted sum
of min-max normalised scores (Fox and Shaw, TREC-2, 1994; Bruch, Gai and Ingber, TOIS 2023), whose range is never taken
narrower than a lane's scores can tell apart: two texts that hold the same words are not the best and the worst. An
object that a lane did not return gets nothing from it. Ties are broken by id, so that an order can be reproduced.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final
from uuid import UUID

from codingbrain.clock import Micros
from codingbrain.domain.query import Lane, Standing
from codingbrain.ports.matches import Match
from codingbrain.retrieval.tuning import Method

_RANK_CONSTANT: Final = 60

_TELLING_COSINE: Final = 0.1
"""A difference of cosines that means something; BM25, which starts at 0, is told apart by half of the best score."""

Why = dict[Lane, Standing]
Fused = tuple[UUID, float, Why]


def fuse(
    lists: Mapping[Lane, Sequence[Match]],
    weights: Mapping[Lane, float],
    method: Method,
    unseen: AbstractSet[UUID] = frozenset(),
) -> list[Fused]:
    """Every object of every list with its weighted sum and its standing per lane, best first.

    Objects in `unseen` are known to be still unknown to the vector lane: they are not held to have failed there, but
    judged by the other lanes alone.
    """
    scores: dict[UUID, float] = defaultdict(float)
    why: dict[UUID, Why] = defaultdict(dict)
    for lane, matches in lists.items():
        for rank, (match, share) in enumerate(zip(matches, _shares(lane, matches, method), strict=True), start=1):
            scores[match.id] += weights[lane] * share
            why[match.id][lane] = Standing(rank, match.score)
    heard = sum(weights[lane] for lane in lists if lane is not Lane.VECTOR)
    if Lane.VECTOR in lists and heard > 0:
        for id_ in unseen & scores.keys():
            scores[id_] *= (heard + weights[Lane.VECTOR]) / heard
    return _sorted((id_, scores[id_], why[id_]) for id_ in scores)


def head(fused: Sequence[Fused], wanted: int, lift: float) -> Sequence[Fused]:
    """The part of a ranking from which the first `wanted` are sure to come, whoever is lifted by up to `lift`."""
    if len(fused) <= wanted:
        return fused
    least = fused[wanted - 1][1] - lift
    return [one for one in fused if one[1] >= least]


def freshen(
    fused: Sequence[Fused], stamps: Mapping[UUID, Micros], half_life: Micros, at: Micros, weight: float
) -> list[Fused]:
    """The recency lane, and the ranking with it: an age of one half-life counts half of `weight`."""
    fresh = {id_: 0.5 ** (max(0, at - stamp) / half_life) for id_, stamp in stamps.items()}
    ranks = {id_: rank for rank, id_ in enumerate(sorted(fresh, key=lambda id_: (-fresh[id_], id_)), start=1)}
    return _sorted(
        (id_, score + weight * fresh[id_], {**why, Lane.RECENCY: Standing(ranks[id_], fresh[id_])})
        for id_, score, why in fused
        if id_ in fresh
    )


def _sorted(fused: Iterable[Fused]) -> list[Fused]:
    return sorted(fused, key=lambda one: (-one[1], one[0]))


def _shares(lane: Lane, matches: Sequence[Match], method: Method) -> list[float]:
    """One number in [0, 1] per match."""
    scores = [found.score for found in matches]
    match lane, method:
        case _, "rank":
            return [(_RANK_CONSTANT + 1) / (_RANK_CONSTANT + rank) for rank in range(1, len(matches) + 1)]
        case Lane.LEXICAL, "score":
            return _min_max(scores, max(scores, default=0.0) / 2)
        case _, "score":
            return _min_max(scores, max(scores, default=0.0) - _TELLING_COSINE)


def _min_max(scores: Sequence[float], floor: float) -> list[float]:
    """Scaled so that the best is 1, and 0 is the lowest or the floor, whichever is lower."""
    low, high = min([floor, *scores]), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]
