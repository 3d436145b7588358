"""How long texts are cut, and which texts are computed together."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codingbrain.domain.memory import MAX_TEXT
from codingbrain.inference import granite
from codingbrain.inference.batches import batches
from codingbrain.inference.pack import open_pack
from codingbrain.inference.passages import LENGTH, OVERLAP, passages
from codingbrain.inference.tokens import PAD, Tokens

TOKENS = Tokens(open_pack(granite.bundled(), granite.SHA256, "").tokenizer)

WORDS = st.sampled_from(
    [
        "pool",
        "connection.",
        "limit!",
        "\n",
        "\n\n",
        " ",
        "\t",
        "     ",
        "数据库。",
        "連接池",
        "🚀",
        "👩‍👩‍👧",
        "é",
        "\0",
        "x" * 400,
        "Ω≈ç√",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=3_000),
    st.lists(WORDS, max_size=900).map(" ".join),
    st.lists(WORDS, max_size=900).map("".join),
)


def cut(text: str) -> list[str]:
    return list(passages(text, TOKENS.spans(text)))


@settings(max_examples=60)
@given(TEXTS.map(lambda text: text.encode("utf-8", "replace").decode()))
def test_passages_cover_the_text_in_order(text: str) -> None:
    spans = TOKENS.spans(text)
    pieces = list(passages(text, spans))
    assert len(pieces) <= 1 + len(spans) // (LENGTH // 2 - OVERLAP)
    covered = 0
    for piece in pieces:
        # A piece may occur earlier as well, so the latest place that leaves no gap counts.
        place = text.rfind(piece, 0, covered + len(piece))
        assert 0 <= place <= covered
        covered = place + len(piece)
    assert covered == len(text)
    assert cut(text) == pieces


@settings(max_examples=60)
@given(TEXTS.map(lambda text: text.encode("utf-8", "replace").decode()))
def test_the_model_reads_every_passage_to_its_end(text: str) -> None:
    for piece in cut(text):
        assert len(TOKENS.spans(piece)) <= LENGTH + 16


def test_a_short_text_is_one_passage() -> None:
    text = "word " * (LENGTH - 10)
    assert cut(text) == [text]


@pytest.mark.parametrize("border", ["\n\n", "\n", ". "])
def test_a_text_is_cut_at_its_strongest_border(border: str) -> None:
    first = " ".join(["word"] * 180)
    weaker = {"\n\n": "\n", "\n": ". ", ". ": " "}[border]
    text = first + border + weaker.join(["other word"] * 80)
    assert cut(text)[0] == first + border


def test_neighbours_overlap_from_a_word_on() -> None:
    words = [f"w{number}" for number in range(400)]
    one, two, *_ = cut(" ".join(words))
    shared = set(one.split()) & set(two.split())
    assert 5 <= len(shared) <= OVERLAP
    assert two.split()[0] in words


def test_the_longest_texts() -> None:
    assert len(cut(("The pool is limited. " * 2_000)[:MAX_TEXT])) < 64
    assert len(cut("🚀" * MAX_TEXT)) < 1_000


def test_a_paragraph_is_cut_at_once() -> None:
    model = granite.load("granite:", 1)
    text = "We keep the pool of database connections at twenty, as the instance refuses more. "[:75] * 4
    model.split(text)
    took: list[float] = []
    for _ in range(50):
        start = time.perf_counter()
        assert model.split(text) == [text]
        took.append(time.perf_counter() - start)
    assert min(took) < 0.001


@given(st.lists(st.integers(2, 512), max_size=80))
def test_batches_hold_each_text_once(lengths: list[int]) -> None:
    rows = [[place + 10] * length for place, length in enumerate(lengths)]
    planned = list(batches(rows))
    assert sorted(place for batch in planned for place in batch.places) == list(range(len(rows)))
    for batch in planned:
        count, longest = batch.ids.shape
        assert count <= 8
        assert count == 1 or count * longest <= 512
        for ids, place in zip(batch.ids.tolist(), batch.places, strict=True):
            assert ids == rows[place] + [PAD] * (longest - len(rows[place]))
            assert longest - len(rows[place]) <= 32
