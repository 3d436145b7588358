"""MCP over one byte stream: framing, faults, and both eras."""

import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.lowlevel import Server
from mcp_types import CallToolRequestParams, CallToolResult, TextContent

from codingbrain.errors import UnavailableError
from codingbrain.identity.principal import Principal, current
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.transports.local import serve
from codingbrain.transports.message import MalformedError, parse

OWNER = Principal(UUID(int=1), UUID(int=2), "owner", "stdio", EVERYTHING)
MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
LINE = 2_000


async def owner() -> Principal:
    return OWNER


async def call_tool(_: object, params: CallToolRequestParams) -> CallToolResult:
    """`wait` takes a moment; anything else answers who asks."""
    if params.name == "wait":
        await anyio.sleep(0.1)
    caller = current.get()
    return CallToolResult(content=[TextContent(text=caller.user_name if caller else "nobody")])


class Peer:
    """The client's end."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.lines = BufferedByteReceiveStream(stream)

    async def send(self, *lines: bytes | dict[str, Any]) -> None:
        for line in lines:
            await self.stream.send((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")

    async def receive(self) -> dict[str, Any]:
        return json.loads(await self.lines.receive_until(b"\n", 1_000_000))


@asynccontextmanager
async def connected(
    drain_seconds: float = 5.0, principal: Callable[[], Awaitable[Principal]] = owner
) -> AsyncGenerator[Peer]:
    """A connection to a served stream; everything within ten seconds."""
    near, far = socket.socketpair()
    server = Server("test", version="1", on_call_tool=call_tool)
    async with await SocketStream.from_socket(near) as client, await SocketStream.from_socket(far) as stream:

        async def run() -> None:
            await serve(stream, server, principal, None, max_line=LINE, drain_seconds=drain_seconds)
            await stream.aclose()

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                yield Peer(client)
                await client.aclose()


def request(id_: int | str, method: str, **params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": {**params, **MODERN}}


@pytest.mark.anyio
async def test_tools_see_the_principal_and_nobody_else_does() -> None:
    assert current.get() is None
    async with connected() as peer:
        await peer.send(request(1, "tools/call", name="who"))
        assert (await peer.receive())["result"]["content"][0]["text"] == "owner"
    assert current.get() is None


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.anyio
async def test_each_request_is_of_whoever_is_there_when_it_arrives(*, legacy: bool) -> None:
    asked: list[str] = []

    async def another() -> Principal:
        asked.append(f"user{len(asked)}")
        return replace(OWNER, user_name=asked[-1])

    async with connected(principal=another) as peer:
        if legacy:
            await peer.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})
            await peer.receive()
        asked.clear()
        calls = [request(number, "tools/call", name=name) for number, name in enumerate(("wait", "who", "who"))]
        for call in calls if legacy else ():
            del call["params"]["_meta"]
        await peer.send({"jsonrpc": "2.0", "method": "notifications/initialized"}, *calls)
        answers = [await peer.receive() for _ in range(3)]
    names = {answer["id"]: answer["result"]["content"][0]["text"] for answer in answers}
    assert names == {0: "user0", 1: "user1", 2: "user2"}


@pytest.mark.anyio
async def test_a_request_of_nobody_knows_whom_is_answered_with_the_failure_and_never_run() -> None:
    down = True

    async def sometimes() -> Principal:
        if down:
            raise UnavailableError("the record cannot be read")
        return OWNER

    async with connected(principal=sometimes) as peer:
        for id_ in (1, 2):
            await peer.send(request(id_, "tools/call", name="who"))
            answer = await peer.receive()
            assert (answer["id"], "result" in answer) == (id_, False)
            assert answer["error"]["message"] == "unavailable: the record cannot be read"
            assert answer["error"]["data"] == {"code": "unavailable", "retryable": True}
        down = False
        await peer.send(request(3, "tools/call", name="who"))
        assert (await peer.receive())["result"]["content"][0]["text"] == "owner"


@pytest.mark.anyio
async def test_the_handshake_era_is_spoken_too() -> None:
    async with connected() as peer:
        await peer.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})
        assert (await peer.receive())["result"]["protocolVersion"] == "2025-11-25"
        await peer.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await peer.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "who"}})
        assert (await peer.receive())["result"]["content"][0]["text"] == "owner"


@pytest.mark.parametrize(
    ("line", "code", "id_"),
    [
        (b"garbage", -32700, None),
        (b"\xff\xfe", -32700, None),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"x"}', -32602, None),
        (b"[" * 1_000, -32700, None),
        (b'{"jsonrpc":"2.0","id":5,"method":7}', -32600, 5),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, None),
        (b'[{"jsonrpc":"2.0","id":5,"method":"ping"}]', -32600, None),
        (b"null", -32600, None),
        (b'"' + b"x" * (LINE + 1) + b'"', -32600, None),
    ],
)
@pytest.mark.anyio
async def test_what_is_no_message_is_answered_and_the_connection_goes_on(
    line: bytes, code: int, id_: int | None
) -> None:
    async with connected() as peer:
        await peer.send(line, b"", request(9, "tools/call", name="who"))
        answers = {answer["id"]: answer for answer in (await peer.receive(), await peer.receive())}
        assert answers[id_]["error"]["code"] == code
        assert "result" in answers[9]


@pytest.mark.anyio
async def test_a_line_of_the_longest_length_is_taken() -> None:
    async with connected() as peer:
        message = json.dumps(request(1, "tools/call", name="who")).encode()
        await peer.send(message.ljust(LINE), message.ljust(LINE + 1))
        answers = {answer["id"]: answer for answer in (await peer.receive(), await peer.receive())}
        assert "result" in answers[1]
        assert answers[None]["error"]["message"] == f"A message may have at most {LINE} bytes."


@pytest.mark.anyio
async def test_calls_finish_after_the_client_has_closed_its_side() -> None:
    async with connected() as peer:
        await peer.send(request(1, "tools/call", name="wait"), request("two", "tools/call", name="wait"))
        await peer.stream.send_eof()
        assert {(await peer.receive())["id"], (await peer.receive())["id"]} == {1, "two"}
        with pytest.raises(anyio.IncompleteRead):
            await peer.receive()


@pytest.mark.anyio
async def test_a_cancelled_call_does_not_hold_up_the_end() -> None:
    async with connected(drain_seconds=60) as peer:
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        await peer.send(request(1, "tools/call", name="wait"), cancel)
        await peer.stream.send_eof()
        with pytest.raises(anyio.IncompleteRead):
            await peer.receive()


@pytest.mark.anyio
async def test_a_client_that_vanishes_ends_the_connection() -> None:
    async with connected(drain_seconds=0.1) as peer:
        await peer.send(request(1, "tools/call", name="wait"))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    with suppress(MalformedError):
        parse(body)
