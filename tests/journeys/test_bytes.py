"""What clients of bad will put on the wire: slow, huge, and malformed requests to the real server."""

import json

import anyio
import pytest

from tests.journeys.served import JSON, WAIT, Served, Serving

pytestmark = pytest.mark.anyio

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


async def sent(served: Served, *parts: bytes) -> bytes:
    """What comes back until the server closes the connection or has answered."""
    host, port = served.origin.removeprefix("http://").split(":")
    answer = b""
    with anyio.fail_after(WAIT):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            try:
                for part in parts:
                    await stream.send(part)
                while b"\r\n\r\n" not in answer:
                    answer += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
    return answer


def head(token: str, *lines: str, length: int | None = None) -> bytes:
    """A POST to /mcp up to its body."""
    fields = [f"Authorization: Bearer {token}", "Host: localhost", "Content-Type: application/json", *lines]
    fields += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join(["POST /mcp HTTP/1.1", *fields, "", ""]).encode("latin-1")


@pytest.mark.proves("ID-10")
@pytest.mark.parametrize("parts", [(), (PING[:10],)], ids=["nothing", "a part"])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    serving: Serving,
    parts: tuple[bytes, ...],
    announced: bool,  # noqa: FBT001 - a column
) -> None:
    with serving(body_seconds=0.1) as served:
        token, _ = served.token()
        start = head(token, length=len(PING)) if announced else head(token, "Transfer-Encoding: chunked")
        body = parts if announced else tuple(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        answer = await sent(served, start, *body)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.proves("ID-10")
@pytest.mark.parametrize("together", [True, False])
async def test_a_credential_in_a_trailer_is_none(
    http_client: Served,
    together: bool,  # noqa: FBT001 - a column
) -> None:
    token, _ = http_client.token()
    start = head(token, f"Accept: {JSON['Accept']}", "Transfer-Encoding: chunked").split(b"\r\n")
    credential = start.pop(1)
    body = b"%x\r\n%s\r\n0\r\n" % (len(PING), PING)
    parts = (b"\r\n".join(start) + body, credential + b"\r\n\r\n")
    answer = await sent(http_client, *((b"".join(parts),) if together else parts))
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.proves("ID-10")
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("X: " + "x" * 40_000, {200}),
        ("X: " + "x" * 1_000_000, {431}),
        ("\r\n".join(f"X-{number}: {'x' * 1_000}" for number in range(1_000)), {431}),
        ("Mcp-Session-Id: \xff", {404}),
        ("Mcp-Session-Id: a\x00b", {400}),
        ("DPoP: a.b.c", {200}),
        ("DPoP: a.b.c, d.e.f", {401}),
        ("dpop: a.b.c\r\nDPoP: d.e.f", {401}),
        ("AUTHORIZATION: Bearer other", {400}),
        ("Authorization : Bearer other", {400}),
        (" Authorization: Bearer other", {400}),
        ("Transfer-Encoding: identity", {400}),
        ("Content-Length: 1", {400}),
        ("Content-Type: text/plain", {200, 400, 415}),
    ],
)
async def test_headers_of_bad_will_break_nothing(http_client: Served, line: str, status: set[int]) -> None:
    token, _ = http_client.token()
    accept = f"Accept: {JSON['Accept']}"
    message = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        }
    ).encode()
    start = head(token, accept, line, length=len(message))
    answer = await sent(http_client, start[: len(start) // 2], start[len(start) // 2 :], message)
    assert int(answer.split(b" ", 2)[1]) in status
    assert status == {200} or b"application/json" in answer


@pytest.mark.parametrize("token", ["x" * 16_384, "x" * 17_000, "x" * 60_000, "a\xe9", "%41", "a b", "a,b", "\x7f"])
async def test_tokens_of_bad_will_are_no_tokens(http_client: Served, token: str) -> None:
    answer = await sent(http_client, head(token, length=len(PING)), PING)
    assert int(answer.split(b" ", 2)[1]) in {400, 401}
    assert b"application/json" in answer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"null",
        b"[]",
        b"[" + PING + b"]",
        b"[" * 50_000,
        PING.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + PING,
        PING + PING,
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["x"]}}',
        b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"ping"}',
    ],
    ids=range(12),
)
async def test_bodies_of_bad_will_are_malformed(http_client: Served, body: bytes) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        for version in ({}, {"MCP-Protocol-Version": "2026-07-28"}, {"MCP-Protocol-Version": "2099-01-01"}):
            answer = await http.post("/mcp", content=body, headers=JSON | version)
            assert 400 <= answer.status_code < 500
            assert answer.json()["error"]
