"""A large corpus of natural texts, and natural questions about it.

Each text puts together sentences of two fetched texts; its vector lies near those of both, so that the vectors form
the clusters that real ones do, at no cost for the embedding model. Everything is seeded.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.quality import dialogue, faq
from tests.quality.collection import Collection, load
from tests.quality.embedding import Embedded, embedded

Floats = NDArray[np.float32]

_SEED = 20_260_101
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_PROSE = re.compile(r"[A-Z][^\n]{30,400}[.!?]")
_MOST_SENTENCES = 3
_NOISE = 0.5
_WORDS = range(6, 13)


@dataclass(frozen=True, slots=True)
class Corpus:
    """`vectors` has shape (texts, dimension), rows of unit length; the questions are asked in their order."""

    texts: tuple[str, ...]
    vectors: Floats
    questions: tuple[str, ...]


def corpus(size: int) -> Corpus:
    """`size` distinct texts with their vectors."""
    source = load(faq.NAME)
    picked = random.Random(_SEED)  # noqa: S311 - a reproducible corpus, not a secret
    sentences = {index: found for index, text in enumerate(source.texts) if (found := prose(text.text))}
    made: dict[str, tuple[int, int]] = {}
    usable = list(sentences)
    while len(made) < size:
        pair = picked.choice(usable), picked.choice(usable)
        made.setdefault(" ".join(part for index in pair for part in _run(sentences[index], picked)), pair)
    near = np.array(list(made.values()), dtype=np.intp)
    return Corpus(tuple(made), _around(_centres(source, embedded(source)), near), tuple(_questions()))


def prose(text: str) -> list[str]:
    """The sentences of a text, without headings, lists and code."""
    return [part for part in _SENTENCE.split(" ".join(text.split())) if _PROSE.fullmatch(part)]


def _run(sentences: Sequence[str], picked: random.Random) -> Sequence[str]:
    start = picked.randrange(len(sentences))
    return sentences[start : start + picked.randint(1, _MOST_SENTENCES)]


def _centres(source: Collection, vectors: Embedded) -> Floats:
    """One vector per text: the mean of its pieces."""
    sums = np.zeros((len(source.texts), vectors.pieces.shape[1]), np.float32)
    np.add.at(sums, vectors.owners, vectors.pieces)
    return _unit(sums)


def _around(centres: Floats, near: NDArray[np.intp]) -> Floats:
    noise = np.random.default_rng(_SEED).standard_normal((len(near), centres.shape[1]), np.float32)
    return _unit(centres[near[:, 0]] + centres[near[:, 1]] + np.float32(_NOISE) * _unit(noise))


def _unit(rows: NDArray[np.floating]) -> Floats:
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32, copy=False)


def _questions() -> Iterator[str]:
    """Those of both collections that have 6 to 12 words, in an order that mixes them."""
    asked = {question for name in (faq.NAME, dialogue.NAME) for question in load(name).questions}
    for question in sorted(asked, key=lambda one: one.id):
        if len(question.text.split()) in _WORDS:
            yield question.text
