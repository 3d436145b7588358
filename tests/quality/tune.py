"""Which fusion, weights and depth suit the development questions best: `python -m tests.quality.tune`.

Uses the product's own lanes in this process. Never look at the test questions while choosing.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Final, TypeVar
from uuid import UUID

import anyio

from codingbrain.domain.query import Lane
from codingbrain.ports.matches import Match
from codingbrain.retrieval.fuse import Method, fuse
from tests.quality.collection import load
from tests.quality.fetch import BUILDERS
from tests.quality.fusion import FUSIONS, Fusion, Scored
from tests.quality.lanes import Found, found
from tests.quality.metrics import MEASURES, Ranking

T = TypeVar("T")

_DEPTHS: Final = (20, 50, 100, 200, 400)
_SHARES: Final = tuple(step / 20 for step in range(21))
_SHOWN: Final = ("recall@10", "nDCG@10")


@dataclass(frozen=True, slots=True)
class Setting:
    """A way to fuse; `share` is the vector lane's part of the weights."""

    fusion: str
    depth: int
    share: float


Scores = Mapping[str, float]
"""Mean per measure, over the questions of one collection."""


def product(method: Method) -> Fusion:
    """The product's own fusion, without its recency lane."""

    def ranking(lists: Sequence[Scored], weights: Sequence[float]) -> Ranking:
        matches = [[Match(UUID(hex=id_ * 2), score) for id_, score in scored] for scored in lists]
        return [id_.hex[:16] for id_, _, _ in fuse(_by_lane(matches), _by_lane(weights), method)]

    return ranking


TRIED: Final[Mapping[str, Fusion]] = {"PRODUCT score": product("score"), "PRODUCT rank": product("rank"), **FUSIONS}


def main() -> int:
    """Print the lanes alone, then the best settings by the mean over the collections."""
    parser = argparse.ArgumentParser(prog="tests.quality.tune", description=__doc__)
    parser.add_argument("--best", type=int, default=15, help="settings shown per measure")
    asked = parser.parse_args()
    lists = {name: _found(name) for name in BUILDERS}
    tried = {setting: {name: scores(of, setting) for name, of in lists.items()} for setting in settings()}
    for which in _SHOWN:
        print(f"\nbest {which}, mean over collections")
        ranked = sorted(tried, key=lambda setting: -fmean(tried[setting][name][which] for name in lists))
        print("\n".join(_line(setting, tried[setting]) for setting in ranked[: asked.best]))
    print("\nper fusion and share, depth 100")
    print("\n".join(_line(setting, row) for setting, row in tried.items() if setting.depth == 100))
    return 0


def settings() -> Iterator[Setting]:
    """Everything that is tried; a share of 0 or 1 is one lane alone."""
    return (Setting(fusion, depth, share) for fusion in TRIED for depth in _DEPTHS for share in _SHARES)


def scores(lists: Sequence[Found], setting: Setting) -> Scores:
    """How one setting does on one collection."""
    fusion = TRIED[setting.fusion]
    weights = 1 - setting.share, setting.share
    rankings = [fusion([one.lexical[: setting.depth], one.vector[: setting.depth]], weights) for one in lists]
    pairs = [(ranking, one.question.relevant) for ranking, one in zip(rankings, lists, strict=True)]
    return {which: fmean(MEASURES[which](*pair) for pair in pairs) for which in _SHOWN}


def _by_lane(values: Sequence[T]) -> dict[Lane, T]:
    return {Lane.LEXICAL: values[0], Lane.VECTOR: values[1]}


def _found(name: str) -> list[Found]:
    collection = load(name)
    return anyio.run(partial(found, collection, collection.split("dev"), max(_DEPTHS)))


def _line(setting: Setting, row: Mapping[str, Scores]) -> str:
    of_each = "  ".join(f"{name} " + " ".join(f"{value:.3f}" for value in of.values()) for name, of in row.items())
    return f"{setting.fusion:<14} depth {setting.depth:<4} vector {setting.share:.2f}   {of_each}"


if __name__ == "__main__":
    sys.exit(main())
