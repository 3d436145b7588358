"""Fusion of ranked lists into one, as pure functions.

`rank` is reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009) with weights; `score` is a weighted sum
of min-max normalised scores (Fox and Shaw, TREC-2, 1994; Bruch, Gai and Ingber, TOIS 2023), whose range is never taken
narrower than a lane's scores can tell apart: two texts that hold the same words are not the best and the worst. An
object that a lane did not return gets nothing from it. Ties are broken by id, so that an order can be reproduced.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Literal
from uuid import UUID

from codingbrain.clock import DAY, Micros
from codingbrain.domain.query import Lane, Standing
from codingbrain.ports.matches import Match

_RANK_CONSTANT: Final = 60

_TELLING_COSINE: Final = 0.1
"""A difference of cosines that means something; BM25, which starts at 0, is told apart by half of the best score."""

Method = Literal["score", "rank"]
Why = dict[Lane, Standing]
Fused = tuple[UUID, float, Why]


def fuse(lists: Mapping[Lane, Sequence[Match]], weights: Mapping[Lane, float], method: Method) -> list[Fused]:
    """Every object of every list with its fused score, from 0 to 1, and its standing per lane, best first."""
    total = sum(weights[lane] for lane in lists) or 1.0
    scores: dict[UUID, float] = defaultdict(float)
    why: dict[UUID, Why] = defaultdict(dict)
    for lane, matches in lists.items():
        for rank, (match, share) in enumerate(zip(matches, _shares(lane, matches, method), strict=True), start=1):
            scores[match.id] += weights[lane] / total * share
            why[match.id][lane] = Standing(rank, match.score)
    return sorted(((id_, scores[id_], why[id_]) for id_ in scores), key=lambda fused: (-fused[1], fused[0]))


def freshness(stamps: Mapping[UUID, Micros], at: Micros, half_life_days: float) -> list[Match]:
    """The recency lane: objects by age, where an age of one half-life scores a half."""
    half_life = half_life_days * DAY
    fresh = [Match(id_, 0.5 ** (max(0, at - stamp) / half_life)) for id_, stamp in stamps.items()]
    return sorted(fresh, key=lambda match: (-match.score, match.id))


def _shares(lane: Lane, matches: Sequence[Match], method: Method) -> list[float]:
    """One number in [0, 1] per match; freshness is one already, and stretching it would make seconds count as years."""
    scores = [found.score for found in matches]
    match lane, method:
        case Lane.RECENCY, _:
            return scores
        case _, "rank":
            return [(_RANK_CONSTANT + 1) / (_RANK_CONSTANT + rank) for rank in range(1, len(matches) + 1)]
        case Lane.LEXICAL, "score":
            return _min_max(scores, max(scores, default=0.0) / 2)
        case Lane.VECTOR, "score":
            return _min_max(scores, max(scores, default=0.0) - _TELLING_COSINE)


def _min_max(scores: Sequence[float], floor: float) -> list[float]:
    """Scaled so that the best is 1, and 0 is the lowest or the floor, whichever is lower."""
    low, high = min([floor, *scores]), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]
