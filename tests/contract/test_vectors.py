"""What every vector engine promises, whichever of `tests/engines.py` it is."""

from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path
from uuid import UUID

import anyio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codingbrain.errors import InvalidArgumentError
from codingbrain.identity.principal import Tenant
from codingbrain.ports.embedder import Model
from codingbrain.ports.filters import Facets, Filter
from codingbrain.ports.matches import Match
from codingbrain.ports.vectors import (
    DropVectors,
    Floats,
    PutVectors,
    Relabel,
    VectorChange,
    VectorEngine,
    VectorQuery,
    Vectors,
)
from tests.engines import VECTORS, VectorRow

pytestmark = pytest.mark.anyio

OWN = "user:own"
OTHER = "user:other"
HOME = Tenant(UUID(int=1))
AWAY = Tenant(UUID(int=2))
MODEL = Model("toy", "0" * 64, 4)
WIDE = Model("wide", "1" * 64, 96)
EAST = (1.0, 0.0, 0.0, 0.0)
NORTH = (0.0, 1.0, 0.0, 0.0)
UP = (0.0, 0.0, 1.0, 0.0)

CLOSE = 1e-3
"""What an engine may round a cosine by."""

per_example = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = count(1_000)


@pytest.fixture(params=VECTORS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> VectorRow:
    return request.param


@pytest.fixture
async def engine(row: VectorRow, data_dir: Path) -> AsyncIterator[VectorEngine]:
    async with row.opens(data_dir) as engine:
        yield engine


@pytest.fixture
def index(engine: VectorEngine) -> Vectors:
    return engine.tenant(HOME, MODEL)


def unit(*components: float) -> Floats:
    """A vector of length 1."""
    vector = np.array(components, np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def put(  # noqa: PLR0913 - what an object is made of
    number: int,
    *chunks: Sequence[float] | Floats,
    version: int = 1,
    audience: str = OWN,
    labels: Sequence[str] = (),
    created_at: int = 0,
    digest: bytes = b"digest",
) -> PutVectors:
    facets = Facets("memory", audience, frozenset(labels), created_at)
    return PutVectors(UUID(int=number), version, facets, digest, np.stack([unit(*chunk) for chunk in chunks]))


def relabel(
    number: int, version: int, *, audience: str = OWN, labels: Sequence[str] = (), created_at: int = 0
) -> Relabel:
    return Relabel(UUID(int=number), version, Facets("memory", audience, frozenset(labels), created_at))


def drop(number: int, version: int) -> DropVectors:
    return DropVectors(UUID(int=number), version)


async def apply(index: Vectors, *changes: VectorChange) -> None:
    with anyio.fail_after(30):
        await index.apply(changes)


async def matches(
    index: Vectors, vector: Sequence[float] | Floats, *, limit: int = 10, allowed: Filter | None = None
) -> list[Match]:
    allowed = Filter(frozenset({OWN})) if allowed is None else allowed
    with anyio.fail_after(30):
        return await index.search(VectorQuery(unit(*vector), allowed, limit))


async def found(index: Vectors, vector: Sequence[float] | Floats, *, limit: int = 10) -> list[int]:
    return [match.id.int for match in await matches(index, vector, limit=limit)]


async def passed(index: Vectors, allowed: Filter, limit: int = 10) -> set[int]:
    return {match.id.int for match in await matches(index, EAST, allowed=allowed, limit=limit)}


async def versions(index: Vectors, after: int | None = None, limit: int = 10_000) -> list[tuple[int, int]]:
    page = await index.versions(None if after is None else UUID(int=after), limit)
    return [(id_.int, version) for id_, version in page]


def cloud(size: int, dimension: int, seed: int) -> Floats:
    """Vectors in clusters with a common lean, as embeddings have: shape (size, dimension), rows of unit length."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((size // 20 + 1, dimension))
    vectors = centres[random.integers(0, len(centres), size)] + 0.7 * random.standard_normal((size, dimension)) + 0.5
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


async def test_an_empty_index_answers_with_nothing(engine: VectorEngine, index: Vectors) -> None:
    await engine.check()
    await apply(index)
    assert await found(index, EAST) == []
    assert await versions(index) == []
    assert await index.digests([UUID(int=1)]) == {}
    assert await index.digests([]) == {}


async def test_scores_are_cosines_in_descending_order(index: Vectors) -> None:
    await apply(index, put(1, (1, 1, 0, 0)), put(2, EAST), put(3, NORTH), put(4, (-1, 0, 0, 0)), put(5, (3, 1, 0, 0)))
    answer = await matches(index, EAST)
    assert [match.id.int for match in answer] == [2, 5, 1, 3, 4]
    expected = [1.0, 3 / 10**0.5, 0.5**0.5, 0.0, -1.0]
    assert [match.score for match in answer] == pytest.approx(expected, abs=CLOSE)


async def test_equals_are_ordered_by_id_whatever_the_limit(index: Vectors) -> None:
    await apply(index, *(put(number, EAST) for number in (8, 3, 5, 1, 9)), put(2, (1, 0.2, 0, 0)))
    every = await matches(index, EAST)
    assert [match.id.int for match in every] == [1, 3, 5, 8, 9, 2]
    for limit in (0, 1, 3, 5):
        assert await matches(index, EAST, limit=limit) == every[:limit]


async def test_an_object_is_as_near_as_its_nearest_chunk_and_comes_once(index: Vectors) -> None:
    await apply(index, put(1, NORTH, (1, 0.1, 0, 0), UP), put(2, (1, 0.5, 0, 0)), put(3, *[EAST] * 50))
    answer = await matches(index, EAST)
    assert [match.id.int for match in answer] == [3, 1, 2]
    assert answer[1].score == pytest.approx(1 / 1.01**0.5, abs=CLOSE)
    assert await found(index, EAST, limit=2) == [3, 1]


async def test_an_object_may_have_no_chunk(index: Vectors) -> None:
    facets = Facets("memory", OWN, frozenset(), 0)
    await apply(index, PutVectors(UUID(int=1), 1, facets, b"empty", np.empty((0, 4), np.float32)), put(2, EAST))
    assert await found(index, EAST) == [2]
    assert await versions(index) == [(1, 1), (2, 1)]
    assert await index.digests([UUID(int=1)]) == {UUID(int=1): b"empty"}


async def test_a_newer_version_replaces_all_chunks(index: Vectors) -> None:
    await apply(index, put(1, EAST, UP), put(2, (1, 1, 0, 0)))
    await apply(index, put(1, NORTH, version=2))
    answer = await matches(index, EAST)
    assert [match.id.int for match in answer] == [2, 1]
    assert answer[1].score == pytest.approx(0, abs=CLOSE)
    assert await versions(index) == [(1, 2), (2, 1)]


async def test_an_older_version_changes_nothing(index: Vectors) -> None:
    await apply(index, put(1, EAST, version=5, labels=["tag:new"], digest=b"new"))
    await apply(index, put(1, NORTH, version=4, digest=b"old"), drop(1, 3), relabel(1, 4, audience=OTHER))
    assert (await matches(index, EAST))[0].score == pytest.approx(1, abs=CLOSE)
    assert await versions(index) == [(1, 5)]
    assert await index.digests([UUID(int=1)]) == {UUID(int=1): b"new"}


async def test_a_put_that_was_overtaken_by_a_drop_changes_nothing(index: Vectors) -> None:
    await apply(index, put(1, EAST), drop(1, 3))
    await apply(index, put(1, EAST, version=2))
    assert await found(index, EAST) == []
    assert await versions(index) == []
    assert await index.digests([UUID(int=1)]) == {}
    await apply(index, drop(2, 7))
    await apply(index, put(2, EAST, version=6), put(1, NORTH, version=4))
    assert await found(index, EAST) == [1]


async def test_a_relabel_changes_facets_and_nothing_else(index: Vectors) -> None:
    await apply(index, put(1, EAST, UP, labels=["tag:old"], created_at=5, digest=b"same"))
    await apply(index, relabel(1, 2, audience=OTHER, labels=["tag:new"], created_at=9))
    assert await passed(index, Filter(frozenset({OWN}))) == set()
    other = frozenset({OTHER})
    assert await passed(index, Filter(other, (frozenset({"tag:old"}),))) == set()
    assert await passed(index, Filter(other, (frozenset({"tag:new"}),), since=9, until=10)) == {1}
    assert await index.digests([UUID(int=1)]) == {UUID(int=1): b"same"}
    assert await versions(index) == [(1, 2)]


async def test_a_relabel_of_what_is_not_there_leaves_no_trace(index: Vectors) -> None:
    await apply(index, relabel(1, 9), put(2, EAST), drop(2, 3), relabel(2, 8))
    assert await versions(index) == []
    await apply(index, put(1, EAST, version=2), put(2, EAST, version=4))
    assert await found(index, EAST) == [1, 2]


async def test_the_same_changes_again_change_nothing(index: Vectors) -> None:
    changes = (put(1, EAST), put(2, NORTH, version=3), relabel(1, 2, labels=["x"]), put(3, UP), drop(3, 2))
    await apply(index, *changes)
    once = await matches(index, EAST)
    await apply(index, *changes)
    assert await matches(index, EAST) == once
    assert await versions(index) == [(1, 2), (2, 3)]


directions = st.sampled_from([EAST, NORTH, UP])
version_of = st.integers(1, 6)
changes = st.lists(
    st.one_of(
        st.builds(
            lambda number, to, version: put(number, to, version=version), st.integers(1, 4), directions, version_of
        ),
        st.builds(drop, st.integers(1, 4), version_of),
    ),
    max_size=24,
)


@given(changes=changes, size=st.integers(1, 24))
@per_example
async def test_the_newest_version_wins_in_whatever_order_they_come(
    engine: VectorEngine, changes: list[PutVectors | DropVectors], size: int
) -> None:
    index = engine.tenant(Tenant(UUID(int=next(numbers))), MODEL)
    newest: dict[int, PutVectors | DropVectors] = {}
    for change in changes:
        known = newest.get(change.id.int)
        # Two contents of one version cannot come from a record; a drop of a version is newer than its put.
        beats = isinstance(change, DropVectors) and isinstance(known, PutVectors)
        if known is None or change.version > known.version or (change.version == known.version and beats):
            newest[change.id.int] = change
    await found(index, EAST)
    for start in range(0, len(changes), size):
        await apply(index, *changes[start : start + size])
    there = {number: change for number, change in newest.items() if isinstance(change, PutVectors)}
    assert await versions(index) == sorted((number, change.version) for number, change in there.items())
    for direction in (EAST, NORTH, UP):
        near = {match.id.int for match in await matches(index, direction) if match.score > 1 - CLOSE}
        assert near == {n for n, change in there.items() if np.array_equal(change.vectors[0], unit(*direction))}


async def test_versions_come_in_pages_by_id(index: Vectors) -> None:
    await apply(index, *(put(number, EAST, version=number) for number in (9, 2, 7, 4, 30)), drop(7, 8))
    assert await versions(index, limit=2) == [(2, 2), (4, 4)]
    assert await versions(index, after=4, limit=2) == [(9, 9), (30, 30)]
    assert await versions(index, after=30) == []


async def test_digests_are_of_what_is_indexed(index: Vectors) -> None:
    await apply(index, put(1, EAST, digest=b"one"), put(2, EAST, digest=b"two"))
    await apply(index, put(1, EAST, version=2, digest=b"new"), drop(2, 2))
    assert await index.digests([UUID(int=number) for number in (1, 2, 3)]) == {UUID(int=1): b"new"}


async def test_only_listed_audiences_are_seen(index: Vectors) -> None:
    await apply(index, put(1, EAST), put(2, EAST, audience=OTHER), put(3, EAST, audience="team:blue"))
    assert await passed(index, Filter(frozenset({OWN}))) == {1}
    assert await passed(index, Filter(frozenset({OWN, "team:blue"}))) == {1, 3}
    assert await passed(index, Filter(frozenset({"team:red"}))) == set()
    assert await passed(index, Filter(frozenset())) == set()


async def test_labels_must_meet_each_group_and_none_of_the_unwanted(index: Vectors) -> None:
    await apply(
        index,
        put(1, EAST, labels=["state:active", "tag:hot"]),
        put(2, EAST, labels=["state:active", "tag:cold"]),
        put(3, EAST, labels=["state:archived", "tag:hot"]),
        put(4, EAST),
    )

    def labelled(*groups: set[str], none: Sequence[str] = ()) -> Filter:
        return Filter(frozenset({OWN}), tuple(frozenset(group) for group in groups), frozenset(none))

    assert await passed(index, labelled({"state:active"})) == {1, 2}
    assert await passed(index, labelled({"state:active", "state:archived"})) == {1, 2, 3}
    assert await passed(index, labelled({"state:active"}, {"tag:hot"})) == {1}
    assert await passed(index, labelled(none=["tag:hot"])) == {2, 4}
    assert await passed(index, labelled({"tag:unheard of"})) == set()
    assert await passed(index, labelled(set())) == set()


async def test_labels_may_be_any_text(index: Vectors) -> None:
    strange = ['tag:"quoted" OR x', "tag:日本 語", "tag:a\0b", "tag:*", "tag:\ud800", "tag:"]
    await apply(index, *(put(number, EAST, labels=[label]) for number, label in enumerate(strange, 1)))
    for number, label in enumerate(strange, 1):
        assert await passed(index, Filter(frozenset({OWN}), (frozenset({label}),))) == {number}


async def test_a_period_includes_its_start_and_not_its_end(index: Vectors) -> None:
    await apply(index, *(put(number, EAST, created_at=number * 10) for number in range(1, 6)))
    own = frozenset({OWN})
    assert await passed(index, Filter(own, since=20, until=40)) == {2, 3}
    assert await passed(index, Filter(own, since=41)) == {5}
    assert await passed(index, Filter(own, until=10)) == set()


async def test_most_of_the_nearest_are_found_among_many(engine: VectorEngine) -> None:
    index, vectors = engine.tenant(HOME, WIDE), cloud(12_000, WIDE.dimension, 1)
    objects = [put(number, vector, labels=[f"tag:{number % 3}"]) for number, vector in enumerate(vectors)]
    for start in range(0, len(objects), 2_000):
        await apply(index, *objects[start : start + 2_000])
    hits = 0
    for vector in cloud(50, WIDE.dimension, 1):
        nearest = np.argsort(-(vectors @ vector))[:10]
        hits += len(set(await found(index, vector)) & set(nearest.tolist()))
    assert hits >= 495


@pytest.mark.parametrize("share", [2, 50, 2_000])
async def test_a_filter_never_hides_what_passes_it(engine: VectorEngine, share: int) -> None:
    """However many nearer objects fail the filter."""
    index, total = engine.tenant(HOME, WIDE), 9_000
    near, far = cloud(1, WIDE.dimension, 2)[0], -cloud(1, WIDE.dimension, 2)[0]
    vectors = 0.05 * cloud(total, WIDE.dimension, 3)
    rare = {number for number in range(total) if number % share == 0}
    objects = [
        put(
            number,
            vectors[number] + (far if number in rare else near),
            labels=["kind:rare" if number in rare else "kind:plain"],
            created_at=int(number in rare),
        )
        for number in range(total)
    ]
    await apply(index, *objects)
    own, limit = frozenset({OWN}), min(100, len(rare))
    rare_only = (
        Filter(own, (frozenset({"kind:rare"}),)),
        Filter(own, none=frozenset({"kind:plain"})),
        Filter(own, since=1),
    )
    for allowed in rare_only:
        seen = {match.id.int for match in await matches(index, near, allowed=allowed, limit=limit)}
        assert len(seen) == limit
        assert seen <= rare


async def test_objects_of_many_chunks_do_not_crowd_out_the_others(engine: VectorEngine) -> None:
    index = engine.tenant(HOME, WIDE)
    near = cloud(1, WIDE.dimension, 4)[0]
    crowd = near + 0.02 * cloud(6_000, WIDE.dimension, 5)
    await apply(index, put(1, *crowd), *(put(number, -near + 0.1 * crowd[number]) for number in range(2, 40)))
    assert len(await found(index, near, limit=30)) == 30


async def test_tenants_and_models_share_nothing(engine: VectorEngine) -> None:
    home, away, newer = engine.tenant(HOME, MODEL), engine.tenant(AWAY, MODEL), engine.tenant(HOME, WIDE)
    await apply(home, put(1, EAST, version=2), put(2, NORTH, digest=b"home"))
    await apply(away, put(1, UP), put(3, EAST), drop(2, 9))
    await apply(newer, put(4, cloud(1, WIDE.dimension, 1)[0]))
    assert await found(home, EAST) == [1, 2]
    assert await found(away, EAST) == [3, 1]
    assert await found(newer, cloud(1, WIDE.dimension, 1)[0]) == [4]
    assert await versions(home) == [(1, 2), (2, 1)]
    assert await home.digests([UUID(int=n) for n in (2, 3, 4)]) == {UUID(int=2): b"home"}


async def test_clear_forgets_one_tenant_and_model_and_their_tombstones(engine: VectorEngine) -> None:
    home, away, newer = engine.tenant(HOME, MODEL), engine.tenant(AWAY, MODEL), engine.tenant(HOME, WIDE)
    for index in (home, away):
        await apply(index, put(1, EAST, version=3), put(2, EAST), drop(2, 9))
        await found(index, EAST)
    await apply(newer, put(4, cloud(1, WIDE.dimension, 1)[0]))
    await home.clear()
    assert await found(home, EAST) == []
    assert await versions(home) == []
    assert await found(away, EAST) == [1]
    assert await versions(newer) == [(4, 1)]
    await apply(home, put(1, NORTH), put(2, NORTH, version=2))
    assert await found(home, NORTH) == [1, 2]


async def test_what_is_stored_outlives_a_restart(row: VectorRow, data_dir: Path) -> None:
    async with row.opens(data_dir) as engine:
        index = engine.tenant(HOME, MODEL)
        await apply(index, put(1, EAST, NORTH, version=2, labels=["x"]), put(2, UP), drop(2, 4), put(3, (1, 1, 0, 0)))
        before = await matches(index, EAST)
    async with row.opens(data_dir) as engine:
        index = engine.tenant(HOME, MODEL)
        assert await matches(index, EAST) == before
        await apply(index, put(1, UP, version=1), put(2, EAST, version=3))
        assert await matches(index, EAST) == before
        assert await versions(index) == [(1, 2), (3, 1)]
        assert await passed(index, Filter(frozenset({OWN}), (frozenset({"x"}),))) == {1}


async def test_preparing_again_keeps_everything(engine: VectorEngine, index: Vectors) -> None:
    await apply(index, put(1, EAST))
    await engine.prepare()
    assert await found(index, EAST) == [1]


async def test_warming_is_no_more_than_an_early_start(row: VectorRow, data_dir: Path) -> None:
    async with row.opens(data_dir) as engine:
        index = engine.tenant(HOME, MODEL)
        await index.warm()
        await apply(index, put(1, EAST))
        await index.warm()
        assert await found(index, EAST) == [1]
    async with row.opens(data_dir) as engine:
        await engine.tenant(HOME, MODEL).warm()
        assert await found(engine.tenant(HOME, MODEL), EAST) == [1]


async def test_hundreds_of_changes_to_few_objects(row: VectorRow, data_dir: Path) -> None:
    async with row.opens(data_dir) as engine:
        index = engine.tenant(HOME, MODEL)
        await found(index, EAST)
        for version in range(1, 51):
            labels = [f"tag:{version}", "state:active"]
            turn = (1, version, 0, 0)
            await apply(
                index, *(put(n, (n, *turn[1:]), turn, version=2 * version, labels=labels) for n in range(1, 41))
            )
            await apply(index, drop(version % 40 + 1, 2 * version + 1))
        before = await matches(index, EAST, limit=100)
        assert len(before) == 39
        last = Filter(frozenset({OWN}), (frozenset({"tag:50"}),))
        assert len(await passed(index, last, limit=100)) == 39
    async with row.opens(data_dir) as engine:
        assert await matches(engine.tenant(HOME, MODEL), EAST, limit=100) == before


@pytest.mark.parametrize(
    "vector", [np.ones(3, np.float32), np.ones((1, 4), np.float32), np.array([np.nan, 0, 0, 1], np.float32)]
)
async def test_what_is_no_vector_of_the_model_is_refused(index: Vectors, vector: Floats) -> None:
    facets = Facets("memory", OWN, frozenset(), 0)
    wrong = PutVectors(UUID(int=2), 1, facets, b"", vector[None] if vector.ndim == 1 else vector[0])
    with pytest.raises(InvalidArgumentError):
        await index.apply([put(1, EAST), wrong])
    with pytest.raises(InvalidArgumentError):
        await index.search(VectorQuery(vector, Filter(frozenset({OWN})), 10))
    assert await versions(index) == []


async def test_writes_during_the_first_search_are_not_lost(row: VectorRow, data_dir: Path) -> None:
    vectors = cloud(6_000, WIDE.dimension, 6)
    async with row.opens(data_dir) as engine:
        await apply(engine.tenant(HOME, WIDE), *(put(n, vector) for n, vector in enumerate(vectors[:5_000])))
    async with row.opens(data_dir) as engine:
        index = engine.tenant(HOME, WIDE)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for start in range(5_000, 6_000, 50):
                    batch = [put(n, vectors[n]) for n in range(start, start + 50)]
                    tasks.start_soon(apply, index, *batch)
                    tasks.start_soon(found, index, vectors[start])
        for number in (0, 4_999, 5_000, 5_500, 5_999):
            assert (await found(index, vectors[number]))[0] == number
        assert len(await versions(index)) == 6_000


async def test_searches_see_whole_objects_while_others_write(index: Vectors) -> None:
    await apply(index, put(1, EAST), put(2, NORTH))
    done = anyio.Event()

    async def write() -> None:
        for version in range(2, 60):
            await apply(index, put(1, EAST, UP, version=version), put(3, UP, version=version))
            assert (await matches(index, UP))[0].score == pytest.approx(1, abs=CLOSE)
        done.set()

    async def read() -> None:
        while not done.is_set():
            assert (await found(index, EAST))[0] == 1
            assert {1, 2} <= set(await found(index, NORTH))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            for _ in range(3):
                tasks.start_soon(read)


async def test_concurrent_writers_agree_with_what_is_stored(row: VectorRow, data_dir: Path) -> None:
    async with row.opens(data_dir) as engine:
        index = engine.tenant(HOME, MODEL)
        await found(index, EAST)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for version in range(1, 61):
                    turn = (1, version, 0, 0)
                    tasks.start_soon(apply, index, put(1, turn, version=version), put(100 + version, turn))
        before = await matches(index, EAST, limit=100)
        assert len(before) == 61
    async with row.opens(data_dir) as engine:
        index = engine.tenant(HOME, MODEL)
        assert await matches(index, EAST, limit=100) == before
        assert (1, 60) in await versions(index)
