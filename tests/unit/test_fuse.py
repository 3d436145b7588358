"""Fusion: pure functions over ranked lists."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codingbrain.clock import DAY
from codingbrain.domain.query import Lane
from codingbrain.ports.matches import Match
from codingbrain.retrieval.fuse import freshen, fuse, head
from codingbrain.retrieval.tuning import Method

IDS = [UUID(int=number) for number in range(1, 9)]
METHODS: list[Method] = ["score", "rank"]

lists = st.lists(st.sampled_from(IDS), unique=True, max_size=8).map(
    lambda ids: [Match(id_, float(len(ids) - place)) for place, id_ in enumerate(ids)]
)


@pytest.mark.parametrize("method", METHODS)
def test_the_heavier_lane_decides(method: Method) -> None:
    """Two lanes that disagree: swapping the weights swaps the order."""
    ranked = {
        Lane.LEXICAL: [Match(IDS[0], 9.0), Match(IDS[1], 1.0)],
        Lane.VECTOR: [Match(IDS[1], 0.9), Match(IDS[0], 0.1)],
    }
    words = fuse(ranked, {Lane.LEXICAL: 2.0, Lane.VECTOR: 1.0}, method)
    meaning = fuse(ranked, {Lane.LEXICAL: 1.0, Lane.VECTOR: 2.0}, method)
    assert [id_ for id_, _, _ in words] == [IDS[0], IDS[1]]
    assert [id_ for id_, _, _ in meaning] == [IDS[1], IDS[0]]


def test_why_names_rank_and_score_of_each_lane() -> None:
    fused = fuse({Lane.LEXICAL: [Match(IDS[0], 3.0), Match(IDS[1], 2.0)]}, {Lane.LEXICAL: 1.0}, "score")
    assert fused[1][2][Lane.LEXICAL].rank == 2
    assert fused[1][2][Lane.LEXICAL].score == 2.0


@given(words=lists, meaning=lists, method=st.sampled_from(METHODS))
def test_every_object_once_best_first(words: list[Match], meaning: list[Match], method: Method) -> None:
    fused = fuse({Lane.LEXICAL: words, Lane.VECTOR: meaning}, {Lane.LEXICAL: 1.0, Lane.VECTOR: 0.5}, method)
    ids = [id_ for id_, _, _ in fused]
    assert len(ids) == len(set(ids))
    assert set(ids) == {match.id for match in words} | {match.id for match in meaning}
    keys = [(-score, id_) for id_, score, _ in fused]
    assert keys == sorted(keys)


@given(words=lists, method=st.sampled_from(METHODS))
def test_one_lane_alone_keeps_its_order(words: list[Match], method: Method) -> None:
    fused = fuse({Lane.LEXICAL: words}, {Lane.LEXICAL: 1.0}, method)
    assert [id_ for id_, _, _ in fused] == [match.id for match in words]


def test_an_age_of_one_half_life_counts_half() -> None:
    fused = fuse({Lane.LEXICAL: [Match(IDS[0], 1.0), Match(IDS[1], 1.0)]}, {Lane.LEXICAL: 1.0}, "score")
    fresh = freshen(fused, {IDS[0]: 0, IDS[1]: 45 * DAY}, 45 * DAY, 45 * DAY, 0.5)
    assert [(id_, score) for id_, score, _ in fresh] == [(IDS[1], 1.5), (IDS[0], 1.25)]
    assert fresh[0][2][Lane.RECENCY].rank == 1


def test_seconds_of_age_do_not_outweigh_a_better_match() -> None:
    """Freshness is absolute: two memories of the same day are equally fresh, whatever else was found."""
    at = 100 * DAY
    found = [Match(IDS[0], 0.8), Match(IDS[1], 0.7), Match(IDS[2], 0.1)]
    fused = fuse({Lane.VECTOR: found}, {Lane.VECTOR: 1.0}, "score")
    stamps = {IDS[0]: at - 1_000_000, IDS[1]: at, IDS[2]: at - 2_000_000}
    assert freshen(fused, stamps, 45 * DAY, at, 1.0)[0][0] == IDS[0]


def test_near_ties_stay_near() -> None:
    """Two texts that hold the same words are not the best and the worst."""
    fused = fuse({Lane.LEXICAL: [Match(IDS[0], 1.0), Match(IDS[1], 0.98)]}, {Lane.LEXICAL: 1.0}, "score")
    assert fused[1][1] > 0.9


def test_what_the_vector_lane_cannot_know_is_not_held_against_an_object() -> None:
    ranked = {
        Lane.LEXICAL: [Match(IDS[0], 10.0), Match(IDS[1], 6.0)],
        Lane.VECTOR: [Match(IDS[1], 0.9), Match(IDS[2], 0.8)],
    }
    weights = {Lane.LEXICAL: 1.0, Lane.VECTOR: 1.0}
    assert fuse(ranked, weights, "score")[0][0] == IDS[1]
    assert fuse(ranked, weights, "score", {IDS[0]})[0][0] == IDS[0]


@given(words=lists, meaning=lists, ages=st.lists(st.integers(0, 400), min_size=8, max_size=8), wanted=st.integers(1, 8))
def test_the_head_holds_all_that_freshness_can_lift(
    words: list[Match], meaning: list[Match], ages: list[int], wanted: int
) -> None:
    """Asking the record about the head only gives the same page as asking about everything."""
    fused = fuse({Lane.LEXICAL: words, Lane.VECTOR: meaning}, {Lane.LEXICAL: 1.0, Lane.VECTOR: 1.0}, "score")
    stamps = {id_: age * DAY for id_, age in zip(IDS, ages, strict=True)}
    whole = freshen(fused, stamps, 45 * DAY, 400 * DAY, 0.3)
    part = freshen(head(fused, wanted, 0.3), stamps, 45 * DAY, 400 * DAY, 0.3)
    assert [id_ for id_, _, _ in part[:wanted]] == [id_ for id_, _, _ in whole[:wanted]]
