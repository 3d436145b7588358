"""What every embedder promises, whichever model it runs."""

from collections.abc import Sequence

import anyio
import numpy as np
import pytest

from codingbrain.inference import granite
from codingbrain.ports.embedder import Embedder

MEMORIES = (
    "The pool of database connections is limited to twenty.",
    "Bread is baked at two hundred degrees for half an hour.",
    "The cat sleeps on the warm window sill all afternoon.",
    "Releases are tagged on Fridays by the platform team.",
    "Use snake_case for the names of Python functions.",
    "Customer invoices are stored as PDF in the billing bucket.",
)

PARAPHRASES = (
    ("how many db connections may be open", 0),
    ("oven temperature for a loaf", 1),
    ("where does the kitten nap", 2),
    ("on which weekday do we cut a new version", 3),
    ("naming convention for methods", 4),
    ("where do bills of clients end up", 5),
)

HOSTILE = (
    "",
    " \n\t ",
    "\0",
    "\ud800",
    "a\udfffb",
    "数据库连接池的上限是二十",
    "🚀" * 700,
    "👩‍👩‍👧 and so on",
    "x" * 32_768,
    "</s><pad><mask><s>",
    "word " * 6_000,
)


@pytest.fixture(scope="module", params=["granite:"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return granite.load(request.param, 1)


async def documents(embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
    with anyio.fail_after(60):
        return await embedder.documents(texts)


async def query(embedder: Embedder, text: str) -> np.ndarray:
    with anyio.fail_after(60):
        return await embedder.query(text)


def test_the_identity_is_complete(embedder: Embedder) -> None:
    assert embedder.model.name
    assert len(embedder.model.sha256) == 64
    assert embedder.model.dimension > 0
    assert embedder.limits.endswith(".")


@pytest.mark.anyio
async def test_no_texts_make_no_rows(embedder: Embedder) -> None:
    assert (await documents(embedder, [])).shape == (0, embedder.model.dimension)


@pytest.mark.anyio
async def test_vectors_have_unit_length(embedder: Embedder) -> None:
    vectors = await documents(embedder, [*MEMORIES, *HOSTILE])
    assert vectors.shape == (len(MEMORIES) + len(HOSTILE), embedder.model.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(await query(embedder, MEMORIES[0])) == pytest.approx(1, abs=1e-5)


@pytest.mark.anyio
async def test_a_paraphrase_is_nearest(embedder: Embedder) -> None:
    vectors = await documents(embedder, MEMORIES)
    for text, memory in PARAPHRASES:
        likeness = vectors @ await query(embedder, text)
        assert int(np.argmax(likeness)) == memory, text


@pytest.mark.anyio
async def test_a_text_has_one_vector_whatever_stands_beside_it(embedder: Embedder) -> None:
    texts = [*MEMORIES, *(f"{text} " * 12 for text in MEMORIES), *(text for text, _ in PARAPHRASES)]
    together = await documents(embedder, texts)
    for text, vector in zip(texts, together, strict=True):
        (alone,) = await documents(embedder, [text])
        assert np.abs(alone - vector).max() < 1e-5
        assert np.abs(await query(embedder, text) - vector).max() < 1e-5


@pytest.mark.anyio
async def test_the_order_of_texts_is_the_order_of_rows(embedder: Embedder) -> None:
    forth = await documents(embedder, [*MEMORIES, *HOSTILE])
    back = await documents(embedder, [*reversed(HOSTILE), *reversed(MEMORIES)])
    assert np.abs(forth - back[::-1]).max() < 1e-5


@pytest.mark.anyio
async def test_the_same_call_gives_the_same_bytes(embedder: Embedder) -> None:
    first = await documents(embedder, MEMORIES)
    assert first.tobytes() == (await documents(embedder, MEMORIES)).tobytes()
    assert (await query(embedder, "pool")).tobytes() == (await query(embedder, "pool")).tobytes()


@pytest.mark.anyio
async def test_concurrent_calls_do_not_mix(embedder: Embedder) -> None:
    expected = await documents(embedder, MEMORIES)
    found: dict[int, np.ndarray] = {}

    async def one(place: int) -> None:
        call = embedder.query if place % 2 else lambda text: _only(embedder, text)
        found[place] = await call(MEMORIES[place % len(MEMORIES)])

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for place in range(40):
                tasks.start_soon(one, place)
    for place, vector in found.items():
        assert np.abs(vector - expected[place % len(MEMORIES)]).max() < 1e-5


async def _only(embedder: Embedder, text: str) -> np.ndarray:
    return (await embedder.documents([text]))[0]


@pytest.mark.anyio
async def test_a_query_overtakes_documents(embedder: Embedder) -> None:
    finished = anyio.Event()

    async def bulk() -> None:
        await embedder.documents([" ".join([*MEMORIES, *MEMORIES, str(number)]) for number in range(200)])
        finished.set()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bulk)
            await anyio.wait_all_tasks_blocked()
            for text, _ in PARAPHRASES:
                await embedder.query(text)
            assert not finished.is_set()
            tasks.cancel_scope.cancel()
    assert not finished.is_set()


@pytest.mark.parametrize("text", [*MEMORIES, "", " ", " \n\t ", "\0", "字", "🚀"])
def test_a_short_text_is_one_piece(embedder: Embedder, text: str) -> None:
    assert embedder.split(text) == [text]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_text_has_pieces_that_can_be_encoded(embedder: Embedder, text: str) -> None:
    pieces = embedder.split(text)
    assert pieces
    assert pieces == embedder.split(text)
    for piece in pieces:
        piece.encode()


def test_the_end_of_a_long_text_is_in_a_piece(embedder: Embedder) -> None:
    text = "The pool is limited to twenty. " * 1_000 + "The answer is at the very end."
    pieces = embedder.split(text)
    assert text.startswith(pieces[0])
    assert pieces[-1].endswith("at the very end.")
    assert sum(map(len, pieces)) >= len(text)


@pytest.mark.anyio
async def test_what_stands_late_in_a_long_text_is_found(embedder: Embedder) -> None:
    filler = "The cat sleeps on the warm window sill. " * 120
    pieces = embedder.split(f"{filler}The pool of database connections is limited to twenty. {filler}")
    likeness = await documents(embedder, pieces) @ await query(embedder, "how many db connections may be open")
    assert "connections" in pieces[int(np.argmax(likeness))]
