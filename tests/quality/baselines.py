"""What a search has to beat: grep, BM25, vectors alone, and their plain reciprocal rank fusion.

Each baseline ranks a collection's texts for one question, best first, ties in the order of the texts.
"""

import sqlite3
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tests.quality.collection import Text
from tests.quality.metrics import Ranking
from tests.quality.words import content, words

Ranker = Callable[[str], Ranking]
Floats = NDArray[np.float32]

DEPTH = 100
_RRF = 60


def grep(texts: Sequence[Text]) -> Ranker:
    """By how many of the question's content words occur literally, wherever, ignoring case: `grep -iF` per word."""
    bodies = [(text.id, text.text.lower()) for text in texts]

    def rank(question: str) -> Ranking:
        sought = content(question)
        counts = [(-sum(word in body for word in sought), index) for index, (_, body) in enumerate(bodies)]
        return [bodies[index][0] for count, index in sorted(counts)[:DEPTH] if count]

    return rank


def bm25(texts: Sequence[Text]) -> Ranker:
    """SQLite FTS5 as it comes: Porter stems, any word of the question, k1 = 1.2, b = 0.75."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE texts USING fts5(body, id UNINDEXED, tokenize = 'porter unicode61')")
    database.executemany("INSERT INTO texts (body, id) VALUES (?, ?)", [(text.text, text.id) for text in texts])
    query = "SELECT id FROM texts WHERE texts MATCH ? ORDER BY rank, rowid LIMIT ?"

    def rank(question: str) -> Ranking:
        asked = " OR ".join(f'"{word}"' for word in dict.fromkeys(words(question)))
        return [id_ for (id_,) in database.execute(query, (asked, DEPTH))]

    return rank


def vectors(texts: Sequence[Text], matrix: Floats, owners: NDArray[np.intp], embed: Callable[[str], Floats]) -> Ranker:
    """By cosine similarity of a text's nearest piece; `matrix` (pieces, dimension), `owners` (pieces,) text indices."""

    def rank(question: str) -> Ranking:
        similarity = matrix @ embed(question)
        order = owners[np.argsort(-similarity, kind="stable")]
        return [texts[index].id for index in list(dict.fromkeys(order[: DEPTH * 8].tolist()))[:DEPTH]]

    return rank


def fused(rankers: Sequence[Ranker]) -> Ranker:
    """Reciprocal rank fusion (Cormack et al., SIGIR 2009) with equal weights and k = 60."""

    def rank(question: str) -> Ranking:
        scores: dict[str, float] = {}
        for ranking in (ranker(question) for ranker in rankers):
            for place, id_ in enumerate(ranking, 1):
                scores[id_] = scores.get(id_, 0.0) + 1 / (_RRF + place)
        return sorted(scores, key=lambda id_: (-scores[id_], id_))[:DEPTH]

    return rank
