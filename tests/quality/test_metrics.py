"""The measures agree with values worked out by hand."""

import math

import pytest

from tests.quality import metrics


def test_recall_counts_the_relevant_among_the_first() -> None:
    assert metrics.recall(["a", "b", "c"], {"a", "c"}, 2) == 0.5
    assert metrics.recall(["a", "b", "c"], {"a", "c"}, 3) == 1.0
    assert metrics.recall([], {"a"}, 10) == 0.0


def test_the_reciprocal_rank_is_that_of_the_first_hit_within_ten() -> None:
    assert metrics.reciprocal_rank(["x", "a", "b"], {"a", "b"}) == 0.5
    assert metrics.reciprocal_rank(["x"] * 10 + ["a"], {"a"}) == 0.0


def test_ndcg_is_one_for_the_ideal_order_and_discounts_by_rank() -> None:
    assert metrics.ndcg(["a", "b", "x"], {"a", "b"}, 10) == 1.0
    assert metrics.ndcg(["x", "a"], {"a"}, 10) == pytest.approx(1 / math.log2(3))
    assert metrics.ndcg(["a", "x", "b"], {"a", "b"}, 10) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))


def test_an_interval_holds_the_mean_and_can_be_reproduced() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0] * 20
    found = metrics.estimate(values)
    assert found == metrics.estimate(values)
    assert found.low < found.mean == 0.6 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(0.24 / 100), rel=0.1)


def test_a_constant_has_no_spread() -> None:
    assert metrics.estimate([0.25] * 8) == metrics.Estimate(0.25, 0.25, 0.25)


def test_a_paired_difference_sees_what_two_intervals_hide() -> None:
    theirs = [0.0, 1.0] * 50
    ours = [min(1.0, value + (index % 10 == 0)) for index, value in enumerate(theirs)]
    found = metrics.difference(ours, theirs)
    assert found.mean == pytest.approx(0.1)
    assert found.low > 0
