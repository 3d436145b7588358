"""The quality benchmark itself: it measures a real server, and its figures follow what the server finds."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from tests.quality.collection import Collection, Origin, question_of, text_of
from tests.quality.run import measure

PAIRS = [
    ("How do I get my money back?", "Refunds are paid to the card within ten days of the return."),
    ("Where are the nightly backups kept?", "Every night a snapshot of the database goes to the vault in Turin."),
    ("Who may approve a release?", "A version is published after two maintainers have signed it off."),
    ("Why is the build slow on Mondays?", "After the weekend the compiler cache is empty and everything is rebuilt."),
    ("How many connections can the pool open?", "The pool holds at most twenty sessions to Postgres."),
    ("What happens to stale sessions?", "A login that was idle for an hour is thrown away by the sweeper."),
]


@pytest.fixture
def harness() -> Callable[[Collection], dict[str, Any]]:
    """What `make bench-quality` runs for each collection."""
    return cast("Callable[[Collection], dict[str, Any]]", partial(measure, with_product=True))


@pytest.mark.proves("TEST-6")
def test_the_product_is_measured_beside_its_baselines(harness: Callable[[Collection], dict[str, Any]]) -> None:
    texts = {answer: text_of(answer) for _, answer in PAIRS}
    questions = tuple(
        question_of(f"{asked} {note}".strip(), [texts[answer].id]) for asked, answer in PAIRS for note in ("", "?")
    )
    origin = Origin("made for this test", "1", "Apache-2.0", len(texts), len(questions))
    figures = harness(Collection("tiny", tuple(texts.values()), questions, (origin,)))
    assert set(figures["measures"]) == {"codingbrain", "grep", "BM25", "vectors alone", "plain RRF"}
    assert figures["measures"]["codingbrain"]["recall@10"]["mean"] == 1.0
    assert 0 < figures["measures"]["codingbrain"]["MRR@10"]["mean"] <= 1.0
    assert set(figures["differences"]) == {"grep", "BM25", "vectors alone", "plain RRF"}
