"""Newline-delimited JSON-RPC over one byte stream: the MCP stdio framing, spoken on the local socket behind stdio."""

from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
from anyio.abc import ByteStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import INVALID_REQUEST, JSONRPCError, JSONRPCRequest, JSONRPCResponse

from codingbrain.identity.principal import Principal, current
from codingbrain.transports.message import MalformedError, parse

MAX_LINE: Final = 4 * 1024 * 1024
"""Bytes of one message."""

DRAIN_SECONDS: Final = 5.0
"""How long calls may finish after the client has closed its side."""

_CHUNK: Final = 65_536


async def serve(  # noqa: PLR0913 - the four parts of a connection, and two limits that only tests change
    stream: ByteStream,
    server: Server[Any],
    principal: Principal,
    lifespan_state: object,
    *,
    max_line: int = MAX_LINE,
    drain_seconds: float = DRAIN_SECONDS,
) -> None:
    """Serve one connection as `principal`, in the protocol era it opens with, until the client closes it.

    Bytes that are not a message are answered with a JSON-RPC error and the connection goes on. At most one message
    is buffered in each direction. The stream stays open: closing it is its owner's part.
    """
    inward, inbound = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outward, outbound = anyio.create_memory_object_stream[SessionMessage](0)
    flights = _Flights()
    token = current.set(principal)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, _Lines(stream, max_line), inward, outward.clone(), flights, drain_seconds)
            tasks.start_soon(_write, outbound, stream, flights, tasks.cancel_scope)
            options = server.create_initialization_options()
            await serve_dual_era_loop(server, inbound, outward, lifespan_state=lifespan_state, init_options=options)
    finally:
        current.reset(token)


class _Flights:
    """How many messages wait for an answer."""

    def __init__(self) -> None:
        self._count = 0
        self._landed = anyio.Event()

    def took_off(self) -> None:
        if self._count == 0:
            self._landed = anyio.Event()
        self._count += 1

    async def land(self) -> None:
        self._count -= 1
        if self._count == 0:
            self._landed.set()

    async def wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            if self._count:
                await self._landed.wait()


class _Lines:
    """A byte stream as lines; a line over `limit` is skipped and comes out as `None`."""

    def __init__(self, stream: ByteStream, limit: int) -> None:
        self.refusal = MalformedError(INVALID_REQUEST, f"A message may have at most {limit} bytes.").reply
        self._limit = limit
        self._stream = stream
        self._buffer = bytearray()
        self._skipping = False

    async def __aiter__(self) -> AsyncIterator[bytes | None]:
        while True:
            try:
                chunk = await self._stream.receive(_CHUNK)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            *ended, rest = chunk.split(b"\n")
            for part in ended:
                self._buffer += part
                yield self._take()
            self._buffer += rest
            if len(self._buffer) > self._limit:
                self._skipping = True
                self._buffer.clear()

    def _take(self) -> bytes | None:
        line = None if self._skipping or len(self._buffer) > self._limit else bytes(self._buffer)
        self._buffer.clear()
        self._skipping = False
        return line


async def _read(
    lines: _Lines,
    inward: MemoryObjectSendStream[SessionMessage | Exception],
    outward: MemoryObjectSendStream[SessionMessage],
    flights: _Flights,
    drain_seconds: float,
) -> None:
    async with inward, outward:
        async for line in lines:
            if line is None:
                flights.took_off()
                await outward.send(SessionMessage(lines.refusal))
            elif line.strip():
                await _deliver(line, inward, outward, flights)
        await flights.wait(drain_seconds)


async def _deliver(
    line: bytes,
    inward: MemoryObjectSendStream[SessionMessage | Exception],
    outward: MemoryObjectSendStream[SessionMessage],
    flights: _Flights,
) -> None:
    try:
        message = parse(line)
    except MalformedError as error:
        flights.took_off()
        await outward.send(SessionMessage(error.reply))
        return
    metadata = None
    if isinstance(message, JSONRPCRequest):
        flights.took_off()
        metadata = ServerMessageMetadata(on_request_unanswered=flights.land)
    await inward.send(SessionMessage(message, metadata))


async def _write(
    outbound: MemoryObjectReceiveStream[SessionMessage],
    stream: ByteStream,
    flights: _Flights,
    connection: anyio.CancelScope,
) -> None:
    async with outbound:
        async for item in outbound:
            try:
                await stream.send(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                connection.cancel()
                return
            if isinstance(item.message, JSONRPCResponse | JSONRPCError):
                await flights.land()
