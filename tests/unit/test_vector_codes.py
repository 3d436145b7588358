"""Vectors as codes and signs, and the arrays that hold them."""

import numpy as np
import pytest

from codingbrain.ports.vectors import Floats
from codingbrain.stores.vectors.codes import cosines, decode, encode, form
from codingbrain.stores.vectors.column import Column
from codingbrain.stores.vectors.facets import Postings
from codingbrain.stores.vectors.signs import Signs, weights


def rows(size: int, dimension: int, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((size, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("dimension", [1, 7, 64, 384, 1_536])
def test_codes_give_cosines_to_five_digits(dimension: int) -> None:
    vectors = rows(200, dimension)
    records = np.frombuffer(encode(vectors).tobytes(), form(dimension))
    codes, factors = records["codes"], records["factor"]
    assert np.abs(cosines(codes, factors, vectors[0]) - vectors @ vectors[0]).max() < 2e-5
    assert np.abs(decode(codes, factors) - vectors).max() < 2e-5


def test_no_vector_and_the_zero_vector_have_codes() -> None:
    assert len(encode(np.empty((0, 3), np.float32))) == 0
    zero = encode(np.zeros((1, 3), np.float32))
    assert cosines(zero["codes"], zero["factor"], rows(1, 3)[0]).tolist() == [0.0]


@pytest.mark.parametrize("dimension", [3, 64, 100])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_a_scan_gives_the_least_differing_rows_with_ties(dimension: int, share: float) -> None:
    vectors = rows(5_000, dimension, 1) + 0.1
    records = encode(vectors[:3_000])
    signs = Signs(records["codes"], records["factor"])
    signs.append(vectors[3_000:])
    picked = np.flatnonzero(np.random.default_rng(2).random(5_000) < share)
    center = decode(records["codes"], records["factor"]).mean(axis=0)
    differs = (vectors > center) != (vectors[7] > center)
    differing = (differs * weights(vectors[7] - center)).sum(axis=1)[picked]
    last = np.sort(differing)[49]
    nearest = signs.view().nearest(vectors[7], picked, 50)
    assert set(nearest.tolist()) == set(picked[differing <= last].tolist())


def test_a_component_weighs_as_much_as_it_is_far_from_the_mean() -> None:
    assert weights(np.array([0.0, 0.1, -1.0, 1.0, -2.0, 9.0], np.float32)).tolist() == [0, 0, 1, 1, 1, 3]
    assert weights(np.zeros(3, np.float32)).tolist() == [0, 0, 0]


def test_a_view_of_a_column_outlives_its_growth() -> None:
    column = Column(np.int32)
    column.append(np.arange(10))
    before = column.view
    for start in range(10, 1_000, 10):
        column.append(np.arange(start, start + 10))
    assert before.tolist() == list(range(10))
    assert column.view.tolist() == list(range(1_000))
    assert column.nbytes == 4_000


def test_postings_move_with_their_places() -> None:
    postings = Postings()
    postings.append("a", [0, 2])
    postings.append("b", [1])
    moved = postings.moved(np.array([1, -1, 0], np.int32))
    assert moved.mark(["a", "b", "c"], np.zeros(2, np.bool_), value=True).tolist() == [True, True]
    assert moved.mark(["b"], np.zeros(2, np.bool_), value=True).tolist() == [False, False]
