"""Who a host lets in, over both kinds of socket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.abc import ByteStream, SocketListener

from codingbrain.errors import CodingbrainError, HostMismatchError, NotFoundError, UnauthenticatedError
from codingbrain.host import endpoint, wire
from codingbrain.host.address import listen, publish
from codingbrain.host.clients import Clients
from codingbrain.host.layout import Layout
from codingbrain.host.listener import Reception
from codingbrain.host.reach import Reach, Welcome, ask
from codingbrain.release import VERSION

pytestmark = pytest.mark.anyio

SECONDS = 10


async def echo(stream: ByteStream) -> None:
    async for chunk in stream:
        await stream.send(chunk)


async def answer(request: wire.Fields) -> object:
    if request.get("method") == "fail":
        raise NotFoundError("there is no such thing")
    return request.get("params")


@pytest.fixture(params=[True, False], ids=["local", "loopback"])
async def clients(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[Clients]:
    """Who is connected to a listening host."""
    async with listening(data_dir, local=request.param) as connected:
        yield connected


@asynccontextmanager
async def listening(data_dir: Path, *, local: bool) -> AsyncIterator[Clients]:
    """A host that repeats what it hears."""
    connected = Clients()
    bound, where = listen(Layout(data_dir), local=local)
    publish(Layout(data_dir), where)
    reception = Reception(wire.SPAWNED, 100, connected, echo, answer)
    async with await SocketListener.from_socket(bound) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, lambda stream: reception.receive(stream, where.key))
        with anyio.fail_after(SECONDS):
            yield connected
        tasks.cancel_scope.cancel()


async def knock(data_dir: Path, role: str) -> Welcome:
    welcome = await anyio.to_thread.run_sync(Reach(Layout(data_dir)).knock, role)
    assert welcome is not None
    return welcome


async def test_a_front_is_served_until_it_leaves(clients: Clients, data_dir: Path) -> None:
    welcome = await knock(data_dir, wire.MCP)
    assert (welcome.version, welcome.kind, welcome.limit) == (VERSION, wire.SPAWNED, 100)
    welcome.link.send(b"hello\n")
    assert await anyio.to_thread.run_sync(welcome.link.line) == b"hello\n"
    assert len(clients) == 1
    welcome.link.close()
    await clients.absent(0.01)
    assert len(clients) == 0


async def test_a_front_is_asked_to_leave(clients: Clients, data_dir: Path) -> None:
    welcome = await knock(data_dir, wire.MCP)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clients.dismiss, wire.RETIRING)
        assert await anyio.to_thread.run_sync(welcome.link.line) == wire.RETIRING
        welcome.link.close()


@pytest.mark.usefixtures("clients")
async def test_a_command_is_answered(data_dir: Path) -> None:
    welcome = await knock(data_dir, wire.CONTROL)
    assert await anyio.to_thread.run_sync(lambda: ask(welcome.link, "repeat", word="x")) == {"word": "x"}
    welcome = await knock(data_dir, wire.CONTROL)
    with pytest.raises(NotFoundError, match="no such thing"):
        await anyio.to_thread.run_sync(ask, welcome.link, "fail")


async def test_another_wire_is_refused(clients: Clients, data_dir: Path) -> None:
    refused = await hello(data_dir, wire=2)
    assert isinstance(refused, HostMismatchError)
    assert len(clients) == 0


async def test_a_wrong_key_is_refused(data_dir: Path) -> None:
    async with listening(data_dir, local=False) as clients:
        for key in ("", "é", "0" * 64):
            assert isinstance(await hello(data_dir, key=key), UnauthenticatedError)
        assert len(clients) == 0


@pytest.mark.parametrize("noise", [b"\n", b"[]\n", b"\xff\n", b"GET / HTTP/1.1\r\n\r\n", b"x" * 70_000])
async def test_noise_is_hung_up_on(data_dir: Path, noise: bytes) -> None:
    async with listening(data_dir, local=True), await anyio.connect_unix(data_dir / "host.sock") as stream:
        await stream.send(noise)
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()


async def test_an_address_of_a_host_that_is_gone_is_nobody(data_dir: Path) -> None:
    async with listening(data_dir, local=True):
        pass
    assert await anyio.to_thread.run_sync(Reach(Layout(data_dir)).knock, wire.MCP) is None


async def hello(data_dir: Path, **changed: object) -> CodingbrainError:
    """The answer to an unusual first line."""
    where = endpoint.read(Layout(data_dir))
    assert where is not None
    opening = {"wire": wire.WIRE, "version": "1", "role": wire.MCP, "key": where.key, **changed}
    with where.dial(SECONDS) as dialled:
        dialled.sendall(wire.encode(opening))
        line = await anyio.to_thread.run_sync(lambda: dialled.makefile("rb").readline())
    return wire.failure(json.loads(line)["error"])
