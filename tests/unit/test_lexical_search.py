"""A search that chooses its candidates finds what a search that scores everything finds."""

import random
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import Connection, StaticPool, create_engine

from codingbrain.errors import StorageError
from codingbrain.ports.filters import Facets, Filter
from codingbrain.ports.lexical import PutText, TextQuery
from codingbrain.stores.lexical import bm25, texts
from codingbrain.stores.lexical.frequency import Frequencies, Scopes, rarest
from codingbrain.stores.lexical.match import ONCE
from codingbrain.stores.lexical.search import Effort, Searches

ORG = UUID(int=1)
ALL = Effort(budget=10**9, depth=10**9)
OWN = Filter(frozenset({"own"}))


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        texts.prepare(connection)
        yield connection
    engine.dispose()


def put(number: int, text: str, version: int = 1) -> PutText:
    return PutText(UUID(int=number), version, Facets("memory", "own", frozenset(), number), text)


def fill(connection: Connection, size: int) -> list[str]:
    """Store texts of words whose frequencies fall as those of a language do; returns the words, frequent first."""
    picked = random.Random(5)  # noqa: S311 - a reproducible corpus, not a secret
    words = [f"w{chr(97 + n // 676)}{chr(97 + n // 26 % 26)}{chr(97 + n % 26)}x" for n in range(3_000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    said = [" ".join(picked.choices(words, weights, k=picked.randint(5, 60))) for _ in range(size)]
    texts.apply(connection, ORG, [put(number, text) for number, text in enumerate(said, 1)])
    return words


def found(connection: Connection, effort: Effort, query: str, limit: int = 10) -> list[UUID]:
    return [match.id for match in Searches(effort).run(connection, ORG, TextQuery(query, OWN, limit))]


def test_few_candidates_hold_nearly_all_of_the_best(connection: Connection) -> None:
    words = fill(connection, 4_000)
    picked = random.Random(6)  # noqa: S311 - the same
    hits = 0
    for _ in range(50):
        query = " ".join([*picked.sample(words[:40], 4), *picked.sample(words[40:600], 4)])
        exact = found(connection, ALL, query)
        hits += len(set(found(connection, Effort(budget=1_600, depth=100), query)) & set(exact))
    assert hits >= 480


def test_common_words_fill_up_what_rare_ones_leave_open(connection: Connection) -> None:
    words = fill(connection, 2_000)
    texts.apply(connection, ORG, [put(9_001, "quokka")])
    answer = found(connection, Effort(budget=1, depth=10), f"{words[0]} {words[1]} quokka", limit=50)
    assert answer[0] == UUID(int=9_001)
    assert len(answer) == 50


def test_a_budget_never_leaves_out_every_word(connection: Connection) -> None:
    words = fill(connection, 500)
    query = f"{words[0]} {words[1]}"
    assert found(connection, Effort(budget=1, depth=10_000), query) == found(connection, ALL, words[1] + " " + words[0])


def test_the_rarest_words_within_a_budget() -> None:
    frequencies = {"rare": 5, "absent": 0, "common": 900, "middling": 100}
    assert rarest(frequencies, 10) == ["rare"]
    assert rarest(frequencies, 105) == ["rare", "middling"]
    assert rarest(frequencies, 10_000) == ["rare", "middling", "common"]
    assert rarest({"common": 900}, 10) == ["common"]
    assert rarest({"absent": 0}, 10) == []


def test_frequencies_of_common_words_follow_slowly_and_those_of_rare_ones_at_once(connection: Connection) -> None:
    frequencies = Frequencies()
    texts.apply(connection, ORG, [put(number, "tea") for number in range(1, 1_281)])

    def counted(changes: int) -> dict[str, int]:
        return frequencies.of(connection, Scopes((1,), 1_280, 1_280, changes), ONCE, ["tea", "milk"])

    assert counted(1_280) == {"tea": 1_280, "milk": 0}
    texts.apply(connection, ORG, [put(number, "milk", 2) for number in range(1, 21)])
    assert counted(1_320) == {"tea": 1_280, "milk": 20}
    assert counted(1_321) == {"tea": 1_260, "milk": 20}


def test_sqlite_without_fts5_is_named(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_NEEDED", frozenset({"fts5", "fts99"}))
    with pytest.raises(StorageError, match="without fts99"):
        texts.prepare(connection)


def test_norms_keep_the_order_of_lengths() -> None:
    norms = [bm25.norm(length) for length in range(20_000)]
    assert norms == sorted(norms)
    assert norms[0] == norms[1] == 0
    assert len({*norms[1:20]}) == 19
    assert bm25.norm(10**9) == 255


def test_scores_grow_with_rarity_and_frequency_and_fall_with_length() -> None:
    assert bm25.rarity(100, 1) > bm25.rarity(100, 50) > bm25.rarity(100, 100) > 0
    once, often = bm25.gains(1, 50.0), bm25.gains(3, 50.0)
    assert (often > once).all()
    assert (once[:-1] > once[1:]).all()
    assert often.max() < bm25.K1 + 1
