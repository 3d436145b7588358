"""Sharing, one rule at a time: cursors, sessions, deleting everything, duplicates, edits, pools, history."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from codingbrain import clock
from codingbrain.domain.memory import Draft, Memory, Patch
from codingbrain.domain.query import Criteria, Lane, Query
from codingbrain.errors import InvalidCursorError, NotFoundError
from codingbrain.identity.grants import Grant, GrantKind
from codingbrain.identity.principal import Principal
from codingbrain.identity.roles import Role
from codingbrain.memory.service import Change, MemoryService
from codingbrain.ports.filters import Facets
from codingbrain.ports.lexical import PutText
from codingbrain.ports.vectors import Relabel, VectorQuery
from codingbrain.record.outbox import enqueue_all
from codingbrain.retrieval.labels import filters_of
from tests.contract.house import House, Toy, house

pytestmark = pytest.mark.anyio

HERE, POOL = UUID(int=1), UUID(int=2)
ANN = Principal(
    HERE, UUID(int=11), "ann", "test", frozenset(), frozenset({Role.DEVELOPER}), frozenset({Grant(GrantKind.TEAM, "a")})
)
BOB = replace(ANN, user=UUID(int=12), user_name="bob")


@pytest.fixture
async def home(data_dir: Path) -> AsyncIterator[House]:
    async with house(data_dir) as home:
        yield home


async def _listed(memories: MemoryService, criteria: Criteria) -> list[Memory]:
    page = await memories.page(criteria, 100, None)
    listed = [*page.memories]
    while page.cursor:
        page = await memories.page(criteria, 100, page.cursor)
        listed += page.memories
    return listed


async def _stored(home: House, by: Principal, text: str, wish: str) -> UUID:
    [receipt] = await home.memories(by).add([Draft(text, visibility=wish)])
    assert receipt.id
    return receipt.id


async def test_a_cursor_outlives_no_grant(home: House) -> None:
    await home.open([HERE])
    for number in range(4):
        await _stored(home, ANN, f"word {number}", "team:a")
    await home.caught_up()
    former = replace(BOB, grants=frozenset[Grant]())
    answer = await home.search(BOB).run(Query("word", 2))
    page = await home.memories(BOB).page(Criteria(), 2, None)
    assert answer.cursor
    assert page.cursor
    assert len((await home.search(BOB).run(Query("word", 2, cursor=answer.cursor))).hits) == 2
    assert (await home.search(former).run(Query("word", 2, cursor=answer.cursor))).hits == ()
    assert (await home.memories(former).page(Criteria(), 2, page.cursor)).memories == ()


async def test_a_cursor_is_for_the_session_that_was_named(home: House) -> None:
    await home.open([HERE])
    for number in range(2):
        await _stored(home, ANN, f"word {number}", "session:s")
    page = await home.memories(ANN).page(Criteria(session="s"), 1, None)
    for session in (None, "t"):
        with pytest.raises(InvalidCursorError):
            await home.memories(ANN).page(Criteria(session=session), 1, page.cursor)


async def test_deleting_everything_spares_what_is_shared(home: House) -> None:
    await home.open([HERE])
    for by in (ANN, BOB):
        for number, wish in enumerate(["user", "session:s", "session:~", "team:a", "org"]):
            await _stored(home, by, f"{by.user_name} {number}", wish)
    count_, phrase = await home.memories(ANN).phrase()
    assert (count_, await home.memories(ANN).delete_all(phrase)) == (3, 3)
    kept = [one.text for one in await _listed(home.memories(BOB), Criteria(session="s"))]
    assert sorted(kept) == ["ann 3", "ann 4", "bob 0", "bob 1", "bob 3", "bob 4"]


async def test_the_same_text_may_be_shared_in_several_ways(home: House) -> None:
    """It is a duplicate only of one with the same audience; and then whoever wrote it."""
    await home.open([HERE])
    first = {wish: await _stored(home, ANN, "word", wish) for wish in ("user", "session:s", "team:a", "org")}
    again = {wish: await _stored(home, BOB, "word", wish) for wish in first}
    assert len(set(first.values())) == 4
    assert {wish for wish in first if first[wish] == again[wish]} == {"team:a", "org"}


async def test_a_members_edit_leaves_a_memory_with_its_team(home: House) -> None:
    await home.open([HERE])
    stored = await _stored(home, ANN, "word", "team:a")
    [receipt] = await home.memories(BOB).update([Change(stored, Patch(text="word two"))])
    assert receipt.error is None
    await home.caught_up()
    for by, expected in ((ANN, ["word two"]), (BOB, ["word two"]), (replace(BOB, grants=frozenset[Grant]()), [])):
        assert [hit.memory.text for hit in (await home.search(by).run(Query("word"))).hits] == expected
    assert [one.owner for one in await home.memories(BOB).get([stored])] == [ANN.user]


async def test_a_new_visibility_reaches_the_vectors(home: House) -> None:
    """A change of nothing but the visibility is a version like any other; the text is not embedded again."""
    await home.open([HERE])
    stored = await _stored(home, ANN, "word", "user")
    engines, query = home.pipeline.engines, await Toy().query("word")

    async def near(by: Principal) -> list[UUID]:
        await home.caught_up()
        allowed = filters_of(Criteria(), by)[by.tenant]
        found = await engines.vectors.tenant(by.tenant, Toy.model).search(VectorQuery(query, allowed, 10))
        return [match.id for match in found]

    assert (await near(ANN), await near(BOB)) == ([stored], [])
    for wish, seen in (("team", [stored]), ("session:s", []), ("org", [stored]), ("user", [])):
        await home.memories(ANN).update([Change(stored, Patch(visibility=wish))])
        assert await near(BOB) == seen


async def test_what_a_pool_shares_is_read_and_nothing_more(home: House) -> None:
    await home.open([HERE, POOL])
    keeper, reader = replace(ANN, org=POOL), replace(BOB, pools=frozenset({POOL}))
    stored = {wish: await _stored(home, keeper, f"word {wish}", wish) for wish in ("org", "team:a", "user")}
    hits = (await home.search(reader).run(Query("word"))).hits
    assert [(hit.memory.id, hit.memory.visibility) for hit in hits] == [(stored["org"], "enterprise")]
    assert [one.visibility for one in await home.memories(keeper).get([stored["org"]])] == ["org"]
    await home.caught_up()
    assert set((await home.memories(reader).indexing([stored["org"]])).values()) == {"indexed"}
    changes = [Change(each, Patch(text="mine", visibility="user")) for each in stored.values()]
    codes = [receipt.error and receipt.error.code for receipt in await home.memories(reader).update(changes)]
    assert codes == ["forbidden", "not_found", "not_found"]
    codes = [receipt.error and receipt.error.code for receipt in await home.memories(reader).delete([*stored.values()])]
    assert codes == ["forbidden", "not_found", "not_found"]
    assert [one.version for one in await home.memories(keeper).get([*stored.values()])] == [1, 1, 1]


async def test_what_was_said_in_private_stays_private(home: House) -> None:
    await home.open([HERE])
    stored = await _stored(home, ANN, "the secret draft", "user")
    await home.memories(ANN).update([Change(stored, Patch(text="fit for all"))])
    await home.memories(ANN).update([Change(stored, Patch(visibility="team"))])
    await home.memories(BOB).update([Change(stored, Patch(text="fit for everybody"))])
    told = [step.memory.text for step in (await home.memories(BOB).history(stored, 10, None)).revisions]
    assert told == ["fit for everybody", "fit for all"]
    assert len((await home.memories(ANN).history(stored, 10, None)).revisions) == 4
    page = await home.memories(BOB).history(stored, 2, None)
    assert (len(page.revisions), page.cursor) == (2, None)


async def test_a_cursor_leads_to_no_version_behind_one_that_is_private_now(home: House) -> None:
    await home.open([HERE])
    stored = await _stored(home, ANN, "first", "team")
    for text in ("second", "third"):
        await home.memories(ANN).update([Change(stored, Patch(text=text))])
    cursor = (await home.memories(BOB).history(stored, 1, None)).cursor
    await home.memories(ANN).update([Change(stored, Patch(visibility="user"))])
    await home.memories(ANN).update([Change(stored, Patch(visibility="team"))])
    assert [step.memory.version for step in (await home.memories(BOB).history(stored, 9, None)).revisions] == [5]
    with pytest.raises(NotFoundError):
        await home.memories(BOB).history(stored, 9, cursor)


async def test_an_author_who_left_does_not_see_what_the_team_made_of_it(home: House) -> None:
    await home.open([HERE])
    stored = await _stored(home, ANN, "ann's draft", "user")
    await home.memories(ANN).update([Change(stored, Patch(visibility="team"))])
    await home.memories(BOB).update([Change(stored, Patch(text="of the team alone"))])
    governor = replace(BOB, roles=frozenset({Role.ADMIN}))
    await home.memories(governor).update([Change(stored, Patch(text="fit for all", visibility="org"))])
    left = replace(ANN, grants=frozenset[Grant]())
    first = await home.memories(left).history(stored, 1, None)
    rest = await home.memories(left).history(stored, 9, first.cursor)
    told = [step.memory.text for step in (*first.revisions, *rest.revisions)]
    assert told == ["fit for all", "ann's draft"]


@pytest.mark.parametrize("wish", ["user", "session:s", "team:a"])
async def test_the_record_has_the_last_word(home: House, wish: str) -> None:
    """Whatever an index believes: here, that everybody and every search may have it."""
    await home.open([HERE])
    stored = await _stored(home, ANN, "word", wish)
    await home.caught_up()
    engines, stranger = home.pipeline.engines, replace(BOB, grants=frozenset[Grant]())
    facets = Facets("memory", "org", frozenset({"state:active"}), 0)
    await engines.lexical.tenant(ANN.tenant).apply([PutText(stored, 9, facets, "word")])
    await engines.vectors.tenant(ANN.tenant, Toy.model).apply([Relabel(stored, 9, facets)])
    for by in (stranger, ANN):
        hits = (await home.search(by).run(Query("word"))).hits
        assert [hit.memory.id for hit in hits] == ([] if by is stranger or wish == "session:s" else [stored])


async def test_a_copy_that_ranks_lower_still_counts(home: House) -> None:
    """The copy for all has a tag that matches, the user's own has not, and others come between them."""
    await home.open([HERE])
    [own, shared] = await home.memories(ANN).add(
        [Draft("the word"), Draft("the word", visibility="org", tags=("release",))]
    )
    await home.memories(ANN).add([Draft(f"release word {number}") for number in range(30)])
    await home.caught_up()
    whole = [hit.memory.id for hit in (await home.search(ANN).run(Query("release word", 100))).hits]
    assert len(whole) == 31
    assert own.id in whole[1:]
    assert shared.id not in whole
    answer = await home.search(ANN).run(Query("release word", 1))
    paged = [hit.memory.id for hit in answer.hits]
    while answer.cursor:
        answer = await home.search(ANN).run(Query("release word", 1, cursor=answer.cursor))
        paged += [hit.memory.id for hit in answer.hits]
    assert paged == whole


async def test_a_pools_memory_says_itself_how_far_its_index_is(home: House) -> None:
    await home.open([HERE, POOL])
    keeper, reader = replace(ANN, org=POOL), replace(BOB, pools=frozenset({POOL}))
    stored = await _stored(home, keeper, "word", "org")
    await home.caught_up()
    later = clock.now() + clock.DAY
    await home.shelf.record.write_session(lambda session: enqueue_all(session, POOL, Lane.VECTOR, [stored], later))
    assert await home.memories(reader).indexing([stored]) == {stored: "queued"}
    assert await home.memories(BOB).indexing([stored]) == {stored: "indexed"}
