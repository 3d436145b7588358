"""Sessions and streams that all are taken: who may use none gives them up, and no org or user keeps out another."""

from contextlib import AsyncExitStack
from functools import partial

import anyio
import httpx2
import pytest

from codingbrain.identity.scopes import EVERYTHING
from tests.journeys.served import JSON, WAIT, Served, Serving

pytestmark = [pytest.mark.anyio, pytest.mark.proves("ID-5")]

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}


class Places:
    """What the users of an instance do with its places."""

    def __init__(self, served: Served, http: httpx2.AsyncClient) -> None:
        self._served = served
        self._http = http

    def org(self, org: str, *users: str) -> list[str]:
        """A new org, and a token of each of its users."""
        self._served.portal.call(self._served.runtime.registry.create, org)
        return [self._served.portal.call(self._joined, org, name) for name in users]

    def disable(self, org: str, name: str) -> None:
        self._served.portal.call(self._served.runtime.registry.disable, org, name)

    async def open(self, token: str) -> tuple[int, str]:
        """The status, and the session if there is one."""
        answer = await self._http.post("/mcp", json=INITIALIZE, headers=_with(token))
        return answer.status_code, answer.headers.get("mcp-session-id", "")

    async def use(self, token: str, session: str) -> int:
        return (await self._http.post("/mcp", json=PING, headers=_with(token, session))).status_code

    async def _joined(self, org: str, name: str) -> str:
        runtime = self._served.runtime
        await runtime.registry.add(org, name, "owner")
        holder = await runtime.registry.holder(org, name)
        return (await runtime.tokens.issue("mine", EVERYTHING, None, user=holder))[0]


def _with(token: str, session: str | None = None) -> dict[str, str]:
    named = {} if session is None else {"Mcp-Session-Id": session}
    return {**JSON, "Authorization": f"Bearer {token}", **named}


async def test_an_org_that_has_all_sessions_gives_its_idlest_up_to_another(serving: Serving) -> None:
    with anyio.fail_after(WAIT), serving(max_sessions=4) as served:
        async with served.http() as http:
            places = Places(served, http)
            (greedy,), (modest,) = places.org("greedy", "ann"), places.org("modest", "bob")
            first, *others = [(await places.open(greedy))[1] for _ in range(4)]
            assert (await places.open(greedy))[0] == 503, "nobody has more than this user"
            assert await places.use(greedy, first) == 200
            idlest, *others = others
            status, mine = await places.open(modest)
            assert (status, await places.use(modest, mine)) == (200, 200)
            assert await places.use(greedy, idlest) == 404
            assert [await places.use(greedy, each) for each in (first, *others)] == [200] * 3
            assert [(await places.open(modest))[0] for _ in range(2)] == [200, 503], "now both have two"
            assert (await places.open(greedy))[0] == 503


async def test_sessions_that_nobody_may_use_are_given_to_others(serving: Serving) -> None:
    """Even to one who could take no place from a user in good standing; a renewed token keeps a session."""
    with anyio.fail_after(WAIT), serving(max_sessions=2) as served:
        async with served.http() as http:
            places = Places(served, http)
            gone, kept, new = places.org("acme", "ann", "bob", "eve")
            _, theirs = await places.open(kept)
            await places.open(gone)
            places.disable("acme", "ann")
            assert [(await places.open(new))[0] for _ in range(2)] == [200, 503]
            assert await places.use(kept, theirs) == 200


async def test_a_revoked_token_frees_the_sessions_of_its_user(serving: Serving) -> None:
    """Those last used with a token that is still good stay."""
    with anyio.fail_after(WAIT), serving(max_user_sessions=2) as served:
        async with served.http() as http:
            places, (old, id_), (again, _) = Places(served, http), served.token(), served.token()
            sessions = [(await places.open(old))[1] for _ in range(2)]
            assert await places.use(again, sessions[0]) == 200
            served.revoke(id_)
            assert [(await places.open(again))[0] for _ in range(2)] == [200, 429]
            assert [await places.use(again, each) for each in sessions] == [200, 404]


async def test_no_org_takes_all_streams(serving: Serving) -> None:
    with anyio.fail_after(WAIT), serving(max_sessions=2) as served:
        async with served.http() as http, AsyncExitStack() as streams:
            places = Places(served, http)
            tokens = [*places.org("greedy", "ann", "bob"), *places.org("modest", "eve")]
            opened = partial(http.stream, "GET", "/sse")
            answers = [await streams.enter_async_context(opened(headers=_with(each))) for each in tokens]
            assert [answer.status_code for answer in answers] == [200, 429, 200]
            late = await streams.enter_async_context(opened(headers=_with(tokens[0])))
            assert late.status_code == 503
