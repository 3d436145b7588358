"""The HTTP+SSE transport: streams that belong to somebody, end with their token, and are bounded."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import httpx2
import pytest

from codingbrain.clock import SECOND
from tests.journeys.served import JSON, MAX_SESSIONS, META, WAIT, Served

SOON = 5.0
"""Seconds within which a stream has ended that ends within one, on a busy machine."""

pytestmark = pytest.mark.anyio

WHOAMI = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "whoami", "arguments": {}, "_meta": META},
}


@asynccontextmanager
async def stream(served: Served, token: str) -> AsyncGenerator[tuple[AsyncIterator[str], str]]:
    """The lines of an open stream, and where to post."""
    with anyio.fail_after(WAIT):
        async with served.http(token) as http, http.stream("GET", "/sse") as answer:
            assert answer.status_code == 200
            lines = answer.aiter_lines()
            yield lines, await data(lines)


async def data(lines: AsyncIterator[str]) -> str:
    """The data of the next event."""
    async for line in lines:
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    return ""


async def test_a_call_is_answered_on_the_stream(http_client: Served) -> None:
    token, _ = http_client.token(client="streaming")
    async with stream(http_client, token) as (lines, where), http_client.http(token) as http:
        assert where.startswith("/messages/?session_id=")
        assert (await http.post(where, json=WHOAMI, headers=JSON)).status_code == 202
        assert json.loads(await data(lines))["result"]["structuredContent"]["client"] == "streaming"


async def test_another_principal_does_not_find_the_stream(http_client: Served) -> None:
    mine, _ = http_client.token(client="mine")
    again, _ = http_client.token(client="mine")
    other, _ = http_client.token(client="other")
    async with stream(http_client, mine) as (_, where), http_client.http() as http:

        async def post(token: str | None) -> httpx2.Response:
            credential = {"Authorization": f"Bearer {token}"} if token else {}
            return await http.post(where, json=WHOAMI, headers=JSON | credential)

        for token, status in ((other, 404), (None, 401), (again, 202)):
            answer = await post(token)
            assert answer.status_code == status
            if status == 404:
                assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("where", ["", "?session_id=", "?session_id=zzz"])
async def test_a_post_without_a_stream_is_malformed(http_client: Served, where: str) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        answer = await http.post(f"/messages/{where}", json=WHOAMI, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.proves("RUN-2")
async def test_a_stream_ends_when_its_token_expires(http_client: Served) -> None:
    token, _ = http_client.token(lifetime=2 * SECOND)
    async with stream(http_client, token) as (lines, _):
        assert await data(lines) == ""


@pytest.mark.proves("ID-5")
async def test_a_stream_ends_when_its_token_is_revoked(http_client: Served) -> None:
    token, id_ = http_client.token()
    async with stream(http_client, token) as (lines, _):
        http_client.revoke(id_)
        with anyio.fail_after(SOON):
            assert await data(lines) == ""


@pytest.mark.proves("ID-5")
async def test_a_stream_of_a_session_ends_when_its_token_is_revoked(http_client: Served) -> None:
    token, id_ = http_client.token()
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    with anyio.fail_after(WAIT):
        async with http_client.http(token) as http:
            opened = await http.post("/mcp", json=opening, headers=JSON)
            session = {**JSON, "Mcp-Session-Id": opened.headers["mcp-session-id"]}
            async with http.stream("GET", "/mcp", headers=session) as answer:
                assert answer.status_code == 200
                http_client.revoke(id_)
                with anyio.fail_after(SOON):
                    assert await data(answer.aiter_lines()) == ""
            assert (await http.delete("/mcp", headers=session)).status_code == 401
            again, _ = http_client.token()
            renewed = {**session, "Authorization": f"Bearer {again}"}
            assert (await http.delete("/mcp", headers=renewed)).status_code == 200


async def test_streams_are_bounded_and_one_org_gets_half(http_client: Served) -> None:
    token, _ = http_client.token()
    async with AsyncExitStack() as open_streams, http_client.http(token) as http:
        for _ in range(MAX_SESSIONS // 2):
            await open_streams.enter_async_context(stream(http_client, token))
        answer = await http.get("/sse")
        assert answer.status_code == 429
        assert answer.headers["retry-after"]
        assert answer.json()["error"]["code"] == "overloaded"
