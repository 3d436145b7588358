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


class Hasty(Heads):
    seconds = 0.1


class Patient(Heads):
    seconds = 3600.0


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers after it has waited longer than a head may take, if asked to."""
    del receive
    if scope["path"] == "/slow":
        await anyio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


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
        sent = 0
        try:
            while sent < 4_000_000:
                await stream.send(b"x" * 16_384)
                sent += 16_384
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            pass
        assert sent < 4_000_000 or (await rest(stream)).startswith(b"HTTP/1.1 431 ")


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


async def test_what_is_not_http_is_refused_in_the_common_form() -> None:
    async with connected(Patient) as stream:
        await stream.send(b"\x16\x03\x01 tls to a plain port\r\n\r\n")
        heard = await rest(stream)
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert b'{"error":{"code":"invalid_request"' in heard
