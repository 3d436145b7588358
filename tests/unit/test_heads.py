"""Connections that do not get to the point."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
import uvicorn
from anyio.abc import SocketStream
from starlette.types import Receive, Scope, Send

from codingbrain.host.heads import Heads
from codingbrain.host.web import bind

pytestmark = pytest.mark.anyio

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"2\r\nhi\r\n0\r\n"


class Hasty(Heads):
    seconds = 0.1


class Patient(Heads):
    seconds = 3600.0


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers after it has waited longer than a head may take, or for the body and with the headers, if asked to."""
    said = b"ok"
    match scope["path"]:
        case "/slow":
            await anyio.sleep(0.3)
        case "/body":
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                return
            said = b" ".join(name for name, _ in scope["headers"])
        case _:
            pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


@asynccontextmanager
async def connected(protocol: type[Heads]) -> AsyncGenerator[SocketStream]:
    with bind("127.0.0.1", 0) as bound:
        server = uvicorn.Server(uvicorn.Config(ok, http=protocol, lifespan="off", log_config=None, ws="none"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [bound])
            with anyio.fail_after(10):
                async with await anyio.connect_tcp("127.0.0.1", bound.getsockname()[1]) as stream:
                    yield stream
            server.should_exit = True


async def rest(stream: SocketStream) -> bytes:
    """Everything until the server hangs up."""
    heard = b""
    try:
        while True:
            heard += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return heard


async def taken(stream: SocketStream, piece: bytes, most: int, *, pause: float = 0.0) -> int:
    """How many bytes could be sent, listening between the pieces, until the server hung up."""
    sent = 0
    try:
        while sent < most:
            await stream.send(piece)
            sent += len(piece)
            if pause:
                with anyio.move_on_after(pause):
                    await stream.receive()
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        pass
    return sent


async def test_a_silent_connection_is_closed() -> None:
    async with connected(Hasty) as stream:
        assert await rest(stream) == b""


async def test_a_head_that_does_not_end_is_not_waited_for() -> None:
    async with connected(Hasty) as stream:
        await stream.send(HEAD)
        assert (await rest(stream)).startswith(b"HTTP/1.1 408 ")


async def test_a_second_head_that_does_not_end_is_not_waited_for() -> None:
    async with connected(Hasty) as stream:
        await stream.send(HEAD + b"\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        await stream.send(HEAD)
        assert b"HTTP/1.1 408 " in await rest(stream)


async def test_an_answer_takes_the_time_that_it_takes() -> None:
    async with connected(Hasty) as stream:
        await stream.send(HEAD.replace(b"/ ", b"/slow ") + b"\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")


async def test_a_head_without_an_end_is_not_kept() -> None:
    async with connected(Patient) as stream:
        await stream.send(HEAD + b"X: ")
        sent = await taken(stream, b"x" * 16_384, 4_000_000)
        assert sent < 4_000_000 or (await rest(stream)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begun", [b"\r\n", b"\r\n\r\n", HEAD])
async def test_a_connection_with_an_answer_is_not_kept_by_a_few_bytes(begun: bytes) -> None:
    async with connected(Hasty) as stream:
        await stream.send(HEAD + b"\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        await stream.send(begun)
        await rest(stream)


@pytest.mark.parametrize(
    "start",
    [HEAD + b"Content-Length: 1000000\r\n\r\n", CHUNKED % b"", CHUNKED % b"" + LAST, CHUNKED % b"slow" + LAST],
    ids=["announced", "chunked", "trailers", "later"],
)
async def test_a_body_that_nobody_asked_for_is_not_waited_for(start: bytes) -> None:
    async with connected(Hasty) as stream:
        await stream.send(start)
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        await stream.send(b"1")
        assert await rest(stream) == b""


async def test_a_body_that_drips_has_no_more_time() -> None:
    async with connected(Hasty) as stream:
        await stream.send(HEAD + b"Content-Length: 1000000\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        assert await taken(stream, b"x", 1_000_000, pause=0.01) < 1_000_000


async def test_the_body_of_an_answered_request_may_still_arrive() -> None:
    async with connected(Patient) as stream:
        await stream.send(HEAD + b"Content-Length: 300000\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        await stream.send(b"x" * 300_000 + HEAD + b"\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")


async def test_half_a_head_does_not_cut_an_answer_short() -> None:
    async with connected(Hasty) as stream:
        await stream.send(HEAD.replace(b"/ ", b"/slow ") + b"\r\n" + HEAD)
        heard = await rest(stream)
    assert heard.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in heard


@pytest.mark.parametrize("together", [True, False])
async def test_trailers_are_no_headers(together: bool) -> None:  # noqa: FBT001 - a column
    trailers = b"Authorization: Bearer x\r\nHost: y\r\nExpect: 100-continue\r\n\r\n"
    parts = (CHUNKED % b"body", LAST, trailers[:9], trailers[9:])
    async with connected(Patient) as stream:
        for part in (b"".join(parts),) if together else parts:
            await stream.send(part)
            await anyio.wait_all_tasks_blocked()
        heard = await stream.receive()
        assert heard.startswith(b"HTTP/1.1 200 ")
        assert heard.endswith(b"\r\n\r\nhost transfer-encoding")
        await stream.send(HEAD + b"\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", [b"", b"body"], ids=["answered", "waiting"])
@pytest.mark.parametrize("line", [b"X: y\r\n", b"y"], ids=["many", "one"])
async def test_trailers_without_an_end_are_not_kept(path: bytes, line: bytes) -> None:
    async with connected(Patient) as stream:
        await stream.send(CHUNKED % path + LAST + b"X: ")
        assert await taken(stream, line * 16_384, 16_000_000) < 16_000_000


@pytest.mark.parametrize("line", [b"Upgrade: h2c", b"Upgrade: websocket", b"Upgrade: x"])
async def test_another_protocol_is_not_spoken_and_not_talked_about(
    line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(Patient) as stream:
        await stream.send(HEAD + b"Connection: Upgrade\r\n" + line + b"\r\nContent-Length: 2\r\n\r\n")
        await stream.send(HEAD + b"\r\n")
        heard = await rest(stream)
    assert heard.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in heard
    assert heard.count(b"HTTP/1.1 ") == 1
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


async def test_heads_in_pieces_and_in_rows_are_answered() -> None:
    async with connected(Patient) as stream:
        for piece in (HEAD[:5], HEAD[5:], b"\r\n"):
            await stream.send(piece)
            await anyio.wait_all_tasks_blocked()
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        await stream.send((HEAD + b"\r\n") * 3)
        heard = b""
        while heard.count(b"HTTP/1.1 200 ") < 3:
            heard += await stream.receive()


async def test_what_is_not_http_is_refused_in_the_common_form(caplog: pytest.LogCaptureFixture) -> None:
    async with connected(Patient) as stream:
        await stream.send(b"\x16\x03\x01 tls to a plain port\r\n\r\n")
        heard = await rest(stream)
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert b'{"error":{"code":"invalid_request"' in heard
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


@pytest.mark.parametrize(("protocol", "size"), [(Hasty, 1), (Patient, 16_384)])
async def test_what_follows_a_refusal_is_not_read_for_ever(protocol: type[Heads], size: int) -> None:
    async with connected(protocol) as stream:
        await stream.send(b"nothing\r\n\r\n")
        assert (await rest(stream)).startswith(b"HTTP/1.1 400 ")
        assert await taken(stream, b"x" * size, size * 1_000_000) < size * 1_000_000
