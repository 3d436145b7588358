"""MCP over streamable HTTP and SSE, in both eras: what clients list, call and are refused."""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import httpx2
import jsonschema
import pytest
from mcp import Client, MCPError
from mcp_types import Tool

from codingbrain.identity.scopes import Scope
from tests.journeys.served import JSON, MAX_BODY, MAX_SESSIONS, WAIT, Era, Served, Transport, modern

pytestmark = pytest.mark.anyio

EVERY_WAY = pytest.mark.parametrize(
    ("transport", "era"), [("http", "auto"), ("http", "legacy"), ("sse", "auto"), ("sse", "legacy")]
)
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


@pytest.mark.proves("RUN-2")
@EVERY_WAY
async def test_a_client_stores_and_finds(http_client: Served, transport: Transport, era: Era) -> None:
    token, _ = http_client.token(client="author")
    async with http_client.mcp(transport, era, token) as client:
        assert client.protocol_version == ("2026-07-28" if era == "auto" else "2025-11-25")
        assert client.instructions
        who = await client.call_tool("whoami", {})
        assert who.structured_content
        assert who.structured_content["client"] == "author"
        added = await client.call_tool("add_memories", {"text": f"Releases of {transport} {era} are cut on Tuesdays."})
        assert not added.is_error, added
        found = await client.call_tool("search_memory", {"query": "when are releases cut"})
        assert "Tuesdays" in json.dumps(found.structured_content)


@pytest.mark.proves("SRCH-4")
async def test_the_default_list_is_short(http_client: Served, record_property: Callable[[str, object], None]) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        answer = await http.post("/mcp", **modern("tools/list"))
    listed = answer.json()["result"]
    tokens = len(json.dumps(listed, separators=(",", ":"), ensure_ascii=False)) / 4
    record_property("tokens_of_tools_list", tokens)
    assert tokens < 2_500
    assert len(listed["tools"]) <= 12
    assert all(tool["outputSchema"]["type"] == "object" for tool in listed["tools"])
    assert listed["cacheScope"] == "private"


@pytest.mark.proves("MEM-11")
@EVERY_WAY
async def test_the_server_says_when_to_recall_and_when_to_store(
    http_client: Served, transport: Transport, era: Era
) -> None:
    token, _ = http_client.token()
    async with http_client.mcp(transport, era, token) as client:
        told = client.instructions or ""
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert "search_memory" in told
    assert "add_memories" in told
    assert len(told) / 4 < 200
    assert all(tool.description and tool.title and tool.annotations for tool in tools.values())
    assert tools["search_memory"].annotations == tools["whoami"].annotations


@pytest.mark.proves("SRCH-4")
async def test_every_answer_meets_the_schema_that_was_listed(http_client: Served) -> None:
    """The SDK's client checks its own calls too; here the whole round is checked by another judge."""
    token, _ = http_client.token(client="schemas")
    async with http_client.mcp("http", "auto", token) as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
        stored = {
            "text": "The pool of connections holds ten.",
            "category": "decision",
            "tags": ["pool"],
            "code_refs": [{"path": "src/pool.py", "lines": "3-7"}],
            "artifact_type": "service",
            "artifact_ref": "billing",
            "source": {"url": "https://example.org/1"},
        }
        added = await called(client, schemas, "add_memories", memories=[stored])
        id_ = added["results"][0]["id"]
        await called(client, schemas, "get_memory", id=id_)
        await called(client, schemas, "search_memory", query="pool of connections")
        await called(client, schemas, "list_memories", limit=5)
        await called(client, schemas, "update_memory", ids=[id_], text="The pool holds twenty.")
        await called(client, schemas, "memory_history", id=id_)
        await called(client, schemas, "delete_memories", ids=[id_])
        await called(client, schemas, "delete_all_memories")
        await called(client, schemas, "whoami")


async def called(client: Client, schemas: dict[str, Any], tool: str, **arguments: object) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert result.structured_content is not None
    jsonschema.validate(result.structured_content, schemas[tool])
    (block,) = result.content
    assert json.loads(block.text) == result.structured_content  # type: ignore[union-attr]
    return result.structured_content


@EVERY_WAY
async def test_the_list_holds_what_the_scopes_allow(http_client: Served, transport: Transport, era: Era) -> None:
    token, _ = http_client.token({Scope.MEMORIES_READ})
    async with http_client.mcp(transport, era, token) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} >= {"search_memory", "whoami"}
    assert not {tool.name for tool in tools} & {"add_memories", "delete_memories"}
    assert all(is_reading(tool) for tool in tools)


def is_reading(tool: Tool) -> bool:
    return bool(tool.annotations and tool.annotations.read_only_hint)


@EVERY_WAY
async def test_toolsets_are_asked_for_in_the_url(http_client: Served, transport: Transport, era: Era) -> None:
    token, _ = http_client.token()
    async with http_client.mcp(transport, era, token, "?toolsets=all") as client:
        everything = [tool.name for tool in (await client.list_tools()).tools]
    async with http_client.mcp(transport, era, token) as client:
        core = [tool.name for tool in (await client.list_tools()).tools]
    assert [name for name in everything if name in core] == core


@pytest.mark.proves("SRCH-8")
@EVERY_WAY
async def test_bad_arguments_are_explained(http_client: Served, transport: Transport, era: Era) -> None:
    token, _ = http_client.token()
    cases: list[tuple[str, dict[str, Any], str, str]] = [
        ("search_memory", {"query": "x" * 2_001}, "limit_exceeded", "`query` may have at most 2000 characters."),
        ("search_memory", {"query": "x", "limit": 101}, "limit_exceeded", "`limit` may be at most 100."),
        ("search_memory", {"query": "x", "limit": "many"}, "invalid_argument", "`limit`: input should be a valid"),
        ("search_memory", {}, "invalid_argument", "`query` is required."),
        ("add_memories", {"text": "x" * 32_769}, "limit_exceeded", "`text` may have at most 32768 characters."),
        ("add_memories", {"text": "x", "tags": ["t"] * 51}, "limit_exceeded", "`tags` may have at most 50 items."),
        ("add_memories", {"text": "a\0b"}, "invalid_argument", "`text` holds a NUL character"),
        ("add_memories", {"text": ["x"]}, "invalid_argument", "`text`: input should be a valid string."),
        ("get_memory", {"id": "not-an-id"}, "invalid_argument", "`id` must be a UUID."),
        ("whoami", {"user_id": "somebody else"}, "invalid_argument", "`user_id` is not an argument; known are: none."),
    ]
    async with http_client.mcp(transport, era, token) as client:
        for tool, arguments, code, words in cases:
            result = await client.call_tool(tool, arguments)
            told = result.structured_content or {}
            assert result.is_error
            assert told["code"] == code, told
            assert told["message"].startswith(words)
            assert "pydantic" not in told["message"]
            assert len(told["message"]) < 500


@EVERY_WAY
async def test_an_unknown_tool_is_a_protocol_error(http_client: Served, transport: Transport, era: Era) -> None:
    token, _ = http_client.token()
    async with http_client.mcp(transport, era, token) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("no_such_tool", {})
    assert caught.value.error.code == -32602
    assert caught.value.error.message == "Unknown tool: no_such_tool"


async def test_an_unknown_method_is_not_found(http_client: Served) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        answer = await http.post("/mcp", **modern("no/such/method"))
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{not json", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 10_000, -32700),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', -32602),
        (b"null", -32600),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32600),
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/messages/?session_id=00000000000000000000000000000000"])
@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25", None])
async def test_what_is_no_message_is_answered_as_such(
    http_client: Served, path: str, version: str | None, body: bytes, code: int
) -> None:
    token, _ = http_client.token()
    headers = {**JSON, "MCP-Protocol-Version": version} if version else JSON
    async with http_client.http(token) as http:
        answer = await http.post(path, content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert "pydantic" not in answer.text


async def test_content_types_and_sizes_are_checked(http_client: Served) -> None:
    token, _ = http_client.token()
    call = json.dumps(modern("tools/list")["json"]).encode()
    async with http_client.http(token) as http:
        for kind in ("text/plain", "", "application/x-www-form-urlencoded"):
            refused(await http.post("/mcp", content=call, headers={**JSON, "Content-Type": kind}), 415)
        for version in ("2026-07-28", "2025-11-25"):
            answer = await http.post(
                "/mcp",
                content=call,
                headers={"Content-Type": "application/json", "Accept": "text/html", "MCP-Protocol-Version": version},
            )
            assert answer.status_code == 406
            assert answer.json()["error"]["message"]
        too_large = b" " * (MAX_BODY + 1)
        refused(await http.post("/mcp", content=too_large, headers=JSON), 413)
        refused(await http.post("/mcp", content=chunks(too_large), headers=JSON), 413)
        refused(await http.post("/messages/", content=too_large, headers=JSON), 413)


async def chunks(body: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


async def test_methods_that_a_path_does_not_take(http_client: Served) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        answer = await http.put("/mcp", json={})
        assert (answer.status_code, bool(answer.headers["allow"])) == (405, True)
        assert refused(await http.head("/sse"), 405).headers["allow"] == "GET"
        assert (
            refused(await http.post("/sse", json=modern("ping")["json"], headers=JSON), 405).headers["allow"] == "GET"
        )
        assert refused(await http.get("/messages/"), 405).headers["allow"] == "POST"


async def test_sessions_are_bounded_and_end(http_client: Served) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        opened: list[str] = []
        while (answer := await http.post("/mcp", json=INITIALIZE, headers=JSON)).status_code == 200:
            opened.append(answer.headers["mcp-session-id"])
            assert len(opened) <= MAX_SESSIONS
        assert answer.status_code == 503
        for session in opened:
            gone = {**JSON, "Mcp-Session-Id": session}
            assert (await http.delete("/mcp", headers=gone)).status_code == 200
            answer = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 2, "method": "ping"}, headers=gone)
            assert answer.status_code == 404


@pytest.mark.proves("OBS-1")
async def test_every_reply_carries_the_request_id(http_client: Served) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        for answer in (
            await http.post("/mcp", **modern("tools/list")),
            await http.get("/no/such/path"),
            await http.get("/health/live"),
        ):
            assert len(answer.headers["x-request-id"]) == 32
        answer = await http.get("/no/such/path", headers={"X-Request-ID": "mine-1"})
    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"] == "mine-1"


async def test_routing_headers_may_have_blanks_around_them(http_client: Served) -> None:
    token, _ = http_client.token()
    request = modern("tools/call", "whoami", arguments={})
    request["headers"]["Mcp-Name"] = "whoami \t"
    head = "".join(f"{name}: {value}\r\n" for name, value in request["headers"].items())
    body = json.dumps(request["json"])
    host, port = http_client.origin.removeprefix("http://").split(":")
    with anyio.fail_after(WAIT):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            length = f"Host: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n"
            await stream.send(f"POST /mcp HTTP/1.1\r\n{length}{head}\r\n{body}".encode())
            assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")


def refused(answer: httpx2.Response, status: int) -> httpx2.Response:
    """An answer with the one error body."""
    assert answer.status_code == status, answer.text
    if answer.request.method != "HEAD":
        assert set(answer.json()["error"]) == {"code", "message", "request_id"}
        assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    return answer
