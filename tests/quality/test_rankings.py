"""Baselines and fusions rank as their definitions say."""

import numpy as np
import pytest

from tests.quality import baselines, fusion
from tests.quality.collection import text_of

TEXTS = tuple(map(text_of, ["Cats sleep all day.", "A dog barks.", "Dogs and cats fight; dogs win.", "Nothing else."]))
CATS, DOG, BOTH, NOTHING = (text.id for text in TEXTS)


def test_grep_counts_distinct_content_words_and_leaves_out_what_has_none() -> None:
    assert list(baselines.grep(TEXTS)("Do the dogs fight cats?")) == [BOTH, CATS]


def test_grep_finds_parts_of_words_as_grep_does() -> None:
    assert list(baselines.grep(TEXTS)("dog")) == [DOG, BOTH]


def test_bm25_stems_and_weighs_rare_words() -> None:
    ranking = baselines.bm25(TEXTS)("Which dogs are fighting?")
    assert list(ranking) == [BOTH, DOG]


def test_bm25_takes_any_question_as_words() -> None:
    assert list(baselines.bm25(TEXTS)('"cats" AND NOT* (sleep')) == [CATS, BOTH]


def test_vectors_take_the_nearest_piece_of_each_text() -> None:
    pieces = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    rank = baselines.vectors(TEXTS[:2], pieces, np.array([0, 1, 0]), lambda _: np.array([0.6, 0.8], np.float32))
    assert list(rank("any")) == [CATS, DOG]


def test_plain_fusion_prefers_what_both_found() -> None:
    rank = baselines.fused([lambda _: [CATS, BOTH], lambda _: [DOG, BOTH]])
    assert rank("any")[0] == BOTH


@pytest.mark.parametrize("name", fusion.FUSIONS)
def test_every_fusion_keeps_a_single_list_as_it_is(name: str) -> None:
    scored = [("a", 9.0), ("b", 4.0), ("c", 0.5)]
    assert list(fusion.FUSIONS[name]([scored, []], [1.0, 1.0])) == ["a", "b", "c"]


@pytest.mark.parametrize("name", fusion.FUSIONS)
def test_the_weights_decide_between_contrary_lists(name: str) -> None:
    one, other = [("a", 3.0), ("b", 1.0)], [("b", 3.0), ("a", 1.0)]
    fuse = fusion.FUSIONS[name]
    assert fuse([one, other], [1.0, 0.2])[0] == "a"
    assert fuse([one, other], [0.2, 1.0])[0] == "b"
