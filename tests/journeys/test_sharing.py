"""Several people and one memory: what they share, find, may change, and may not know of, over HTTP."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from mcp import Client

from tests.journeys.served import Served

pytestmark = pytest.mark.anyio

UNKNOWN = {"code": "not_found", "message": "there is no memory ID"}


@dataclass(frozen=True, slots=True)
class Person:
    """A user of an org, with a client of their own."""

    org: str
    name: str
    served: Served
    client: Client

    async def __call__(self, tool: str, **arguments: object) -> dict[str, Any]:
        answer = await self.client.call_tool(tool, arguments)
        assert not answer.is_error, answer.content
        assert answer.structured_content is not None
        return answer.structured_content

    async def refused(self, tool: str, **arguments: object) -> dict[str, Any]:
        answer = await self.client.call_tool(tool, arguments)
        assert answer.is_error, answer
        assert answer.structured_content is not None
        return answer.structured_content

    async def add(self, text: str, visibility: str) -> str:
        [receipt] = (await self("add_memories", text=text, visibility=visibility))["results"]
        assert receipt["outcome"] == "created", receipt
        return receipt["id"]

    async def found(self, query: str, **arguments: object) -> dict[str, str]:
        """Texts by search, with their visibility; a list must say the same."""
        hits = (await self("search_memory", query=query, **arguments))["hits"]
        return {hit["text"]: hit.get("visibility", "user") for hit in hits}

    async def update(self, id_: str, **change: object) -> str:
        """The outcome, or the code of the refusal."""
        [receipt] = (await self("update_memory", id=id_, **change))["results"]
        return receipt["error"]["code"] if "error" in receipt else receipt["outcome"]

    def now(self, act: str, *what: str) -> None:
        """What an operator changes about this person."""
        registry = self.served.runtime.registry
        self.served.portal.call(getattr(registry, act), self.org, self.name, *what)


@asynccontextmanager
async def people(served: Served, org: str, **said: Iterable[str]) -> AsyncGenerator[list[Person]]:
    """Users of an org, each with a role and grants."""
    registry, portal = served.runtime.registry, served.portal
    portal.call(registry.create, org)
    async with AsyncExitStack() as stack:
        found: list[Person] = []
        for name, (role, *grants) in said.items():
            portal.call(registry.add, org, name, role)
            for grant in grants:
                portal.call(registry.grant, org, name, grant)
            holder = portal.call(registry.holder, org, name)
            issue = partial(served.runtime.tokens.issue, "editor", user=holder)
            token, _ = portal.call(issue)
            client = await stack.enter_async_context(served.mcp("http", "auto", token))
            found.append(Person(org, name, served, client))
        yield found


@pytest.mark.proves("MEM-3")
async def test_a_team_shares_what_others_do_not_see(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    said = {"ann": ("developer", "team:core"), "bob": ("developer", "team:core", "team:web"), "eve": ("admin",)}
    async with people(http_client, mark, **said) as (ann, bob, eve):
        texts = {wish: f"{mark} is shared with {wish}" for wish in ("user", "team:core", "org", "session:s")}
        ids = {wish: await ann.add(text, wish) for wish, text in texts.items()}
        assert set((await ann.found(mark)).values()) == {"user", "team:core", "org"}
        assert (await ann.found(mark, session="s"))[texts["session:s"]] == "session:s"
        assert set((await bob.found(mark, session="s")).values()) == {"team:core", "org"}
        assert set((await eve.found(mark)).values()) == {"org"}
        listed = (await bob("list_memories"))["memories"]
        assert {one["visibility"] for one in listed} == {"team:core", "org"}
        assert (await ann("get_memory", id=ids["session:s"]))["visibility"] == "session:s"
        assert await bob.update(ids["team:core"], add_tags=["seen"]) == "updated"
        assert await bob.update(ids["org"], add_tags=["seen"]) == "forbidden"
        assert await eve.update(ids["org"], add_tags=["seen"]) == "updated"
        history = await ann("memory_history", id=ids["team:core"])
        assert [step["memory"]["visibility"] for step in history["revisions"]] == ["team:core", "team:core"]


@pytest.mark.proves("MEM-3")
async def test_what_one_may_not_see_is_like_what_never_was(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    async with people(http_client, mark, ann=("developer", "team:core"), eve=("owner",)) as (ann, eve):
        hidden = [await ann.add(f"{mark} {wish}", wish) for wish in ("user", "team", "session:s")]
        for id_ in (*hidden, str(uuid4())):
            refusals = [await eve.refused(tool, id=id_) for tool in ("get_memory", "memory_history")]
            for tool, change in (("update_memory", {"pinned": True}), ("delete_memories", {})):
                [receipt] = (await eve(tool, ids=[id_], **change))["results"]
                refusals.append(receipt["error"])
            said = [{key: one[key].replace(id_, "ID") for key in ("code", "message")} for one in refusals]
            assert said == [UNKNOWN] * 4


@pytest.mark.proves("MEM-3")
async def test_whoever_shares_says_with_whom(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    said = {"ann": ("developer", "team:core", "team:web", "project:x"), "eve": ("admin", "team:core")}
    async with people(http_client, mark, **said) as (ann, eve):
        [receipt] = (await ann("add_memories", text=f"{mark} one", visibility="team"))["results"]
        assert receipt["error"]["code"] == "ambiguous_target"
        assert "team:core, team:web" in receipt["error"]["message"]
        only = await ann.add(f"{mark} two", "project")
        assert (await ann("get_memory", id=only))["visibility"] == "project:x"
        items = [{"text": f"{mark} {wish}", "visibility": wish} for wish in ("team:web", "team:ops", "everyone")]
        receipts = (await ann("add_memories", memories=items))["results"]
        codes = [one.get("error", {}).get("code") for one in receipts]
        assert codes == [None, "forbidden", "invalid_argument"]
        mine = await ann.add(f"{mark} three", "team:core")
        assert await eve.update(mine, visibility="user") == "forbidden"
        assert await eve.update(mine, visibility="team:web") == "forbidden"
        assert await eve.update(mine, visibility="org") == "updated"
        assert await ann.update(mine, visibility="user") == "updated"
        assert (await eve.refused("get_memory", id=mine))["code"] == "not_found"
        refused = await ann.refused("update_memory", id=mine, visibility=None)
        assert refused["code"] == "invalid_argument"


@pytest.mark.proves("MEM-3")
async def test_a_membership_counts_as_long_as_it_lasts(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    async with people(http_client, mark, ann=("developer", "team:core"), bob=("developer",)) as (ann, bob):
        stored = [await ann.add(f"{mark} note {number}", "team:core") for number in range(3)]
        assert await bob.found(mark) == {}
        bob.now("grant", "team:core")
        assert len(await bob.found(mark)) == 3
        cursor = (await bob("list_memories", limit=1))["cursor"]
        bob.now("ungrant", "team:core")
        assert await bob.found(mark) == {}
        assert (await bob("list_memories", limit=1, cursor=cursor))["memories"] == []
        assert await bob.update(stored[0], pinned=True) == "not_found"
        ann.now("ungrant", "team:core")
        assert (await ann.refused("get_memory", id=stored[0]))["code"] == "not_found"


@pytest.mark.proves("MEM-3")
async def test_the_most_specific_of_equal_texts_is_recalled(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    wishes = ["org", "project:x", "team:core", "user", "session:s"]
    async with people(http_client, mark, ann=("developer", "team:core", "project:x")) as (ann,):
        text = f"{mark} tests run before every merge"
        for number, wish in enumerate(wishes):
            await ann.add(text, wish)
            session = {"session": "s"} if number == 4 else {}
            assert await ann.found(mark, **session) == {text: wish}
        hits = (await ann("search_memory", query=mark, limit=1, session="s"))["hits"]
        assert [hit["visibility"] for hit in hits] == ["session:s"]
        assert len((await ann("list_memories", session="s"))["memories"]) == 5


@pytest.mark.proves("MEM-3")
async def test_a_linked_pool_is_read_and_never_written(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    registry, portal = http_client.runtime.registry, http_client.portal
    async with (
        people(http_client, f"{mark}-pool", kim=("developer", "team:core")) as (kim,),
        people(http_client, mark, ann=("owner", "team:core")) as (ann,),
    ):
        shared = await kim.add(f"{mark} for everybody", "org")
        kept = await kim.add(f"{mark} for the team", "team:core")
        assert await ann.found(mark) == {}
        portal.call(registry.link, mark, f"{mark}-pool")
        assert await ann.found(mark) == {f"{mark} for everybody": "enterprise"}
        assert (await ann("get_memory", id=shared))["visibility"] == "enterprise"
        listed = (await ann("list_memories"))["memories"]
        assert [one["id"] for one in listed] == [shared]
        assert await ann.update(shared, visibility="user") == "forbidden"
        assert await ann.update(kept, pinned=True) == "not_found"
        [receipt] = (await ann("delete_memories", ids=[shared]))["results"]
        assert "read-only for you" in receipt["error"]["message"]
        assert (await ann("delete_all_memories"))["confirm"] == "delete all 0 memories"
        assert await kim.found(mark) == {f"{mark} for everybody": "org", f"{mark} for the team": "team:core"}
        portal.call(registry.unlink, mark, f"{mark}-pool")
        assert await ann.found(mark) == {}
        assert (await ann.refused("get_memory", id=shared))["code"] == "not_found"


@pytest.mark.proves("MEM-3")
async def test_what_a_memory_said_in_private_is_not_in_its_history(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    async with people(http_client, mark, ann=("developer",), bob=("developer",)) as (ann, bob):
        stored = await ann.add(f"{mark} a first draft", "user")
        await ann("update_memory", id=stored, text=f"{mark} fit for all")
        await ann("update_memory", id=stored, visibility="org")
        told = (await bob("memory_history", id=stored))["revisions"]
        assert [step["memory"]["text"] for step in told] == [f"{mark} fit for all"]
        assert len((await ann("memory_history", id=stored))["revisions"]) == 3
