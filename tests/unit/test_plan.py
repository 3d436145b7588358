"""Planning a query, cutting a snippet, sealing a cursor."""

from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from codingbrain.clock import SECOND
from codingbrain.domain.query import MAX_QUERY, Query
from codingbrain.errors import InvalidArgumentError, InvalidCursorError, LimitExceededError
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.retrieval.cursor import Seal
from codingbrain.retrieval.plan import plan
from codingbrain.retrieval.snippet import snippet


def _principal(user: UUID | None = None) -> Principal:
    return Principal(UUID(int=1), user or uuid4(), "someone", "test", EVERYTHING)


def test_quoted_phrases_must_occur() -> None:
    assert plan(Query('where is the "connection pool" of "billing"')).phrases == ("connection pool", "billing")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_query_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="query"):
        plan(Query(text))


@pytest.mark.parametrize(("text", "limit"), [("x" * (MAX_QUERY + 1), 10), ("x", 0), ("x", 1_000_000)])
def test_a_limit_is_named(text: str, limit: int) -> None:
    with pytest.raises(LimitExceededError, match=r"2000|100"):
        plan(Query(text, limit))


def test_the_snippet_shows_the_words_asked_for() -> None:
    text = "Filler sentence about nothing. " * 40 + "The retry budget is five attempts. " + "More filler. " * 40
    cut = snippet(text, "retry budget", 200)
    assert "retry budget" in cut
    assert len(cut) <= 210
    assert cut.startswith("…")
    assert cut.endswith("…")


@given(text=st.text(max_size=3_000), query=st.text(max_size=50), length=st.integers(80, 600))
def test_a_snippet_is_never_longer_than_asked(text: str, query: str, length: int) -> None:
    assert len(snippet(text, query, length)) <= length + 2


def test_a_cursor_opens_for_its_caller_and_query_only() -> None:
    now = [1_000 * SECOND]
    seal = Seal(Fernet.generate_key(), lambda: now[0])
    caller = _principal()
    cursor = seal.seal(caller, "question", 20)
    assert seal.open(caller, "question", cursor) == 20
    for other, query in ((_principal(), "question"), (caller, "another question")):
        with pytest.raises(InvalidCursorError):
            seal.open(other, query, cursor)
    now[0] += 3_601 * SECOND
    with pytest.raises(InvalidCursorError):
        seal.open(caller, "question", cursor)


@given(garbage=st.text(max_size=200))
def test_a_forged_cursor_is_refused(garbage: str) -> None:
    seal = Seal(Fernet.generate_key(), lambda: SECOND)
    with pytest.raises(InvalidCursorError):
        seal.open(_principal(), "question", garbage)
