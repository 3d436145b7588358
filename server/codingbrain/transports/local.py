"""Newline-delimited JSON-RPC over one byte stream: the MCP stdio framing, spoken on the local socket behind stdio."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import anyio
from anyio.abc import ByteStream
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from codingbrain.errors import CodingbrainError
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
    principal: Callable[[], Awaitable[Principal]],
    lifespan_state: object,
    *,
    max_line: int = MAX_LINE,
    drain_seconds: float = DRAIN_SECONDS,
) -> None:
    """Serve one connection, in the protocol era it opens with, until the client closes it.

    Each request is one of whoever `principal` says when it arrives; if that cannot be found out, the failure answers
    it. Bytes that are not a message are answered with a JSON-RPC error and the connection goes on. At most one message
    is buffered in each direction. The stream stays open: closing it is its owner's part.
    """
    outward, outbound = anyio.create_memory_object_stream[SessionMessage](0)
    answers, flights = outward.clone(), _Flights()

    # Of these streams each message keeps the context it was sent in, and is handled in it.
    async with create_client_server_memory_streams() as ((_, inward), (inbound, _)):

        async def read() -> None:
            async with inward, answers:
                await _Inbox(inward.send, answers.send, principal, flights).fill(_Lines(stream, max_line))
                await flights.wait(drain_seconds)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            tasks.start_soon(_write, outbound, stream, flights, tasks.cancel_scope)
            options = server.create_initialization_options()
            await serve_dual_era_loop(server, inbound, outward, lifespan_state=lifespan_state, init_options=options)


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


@dataclass(frozen=True, slots=True)
class _Inbox:
    """Where the client's lines become messages, or answers that say why not."""

    deliver: Callable[[SessionMessage], Awaitable[None]]
    send: Callable[[SessionMessage], Awaitable[None]]
    principal: Callable[[], Awaitable[Principal]]
    flights: _Flights

    async def fill(self, lines: _Lines) -> None:
        async for line in lines:
            if line is None:
                await self._answer(lines.refusal)
            elif line.strip():
                await self._take(line)

    async def _take(self, line: bytes) -> None:
        try:
            message = parse(line)
        except MalformedError as error:
            await self._answer(error.reply)
            return
        if isinstance(message, JSONRPCRequest):
            await self._ask(message)
        else:
            await self.deliver(SessionMessage(message))

    async def _ask(self, request: JSONRPCRequest) -> None:
        try:
            principal = await self.principal()
        except CodingbrainError as error:
            await self._answer(_failure(request.id, error))
            return
        self.flights.took_off()
        token = current.set(principal)
        try:
            await self.deliver(SessionMessage(request, ServerMessageMetadata(on_request_unanswered=self.flights.land)))
        finally:
            current.reset(token)

    async def _answer(self, message: JSONRPCMessage) -> None:
        self.flights.took_off()
        await self.send(SessionMessage(message))


def _failure(id_: RequestId, error: CodingbrainError) -> JSONRPCError:
    data = {"code": error.code, "retryable": error.retryable}
    told = ErrorData(code=INTERNAL_ERROR, message=f"{error.code}: {error.message}", data=data)
    return JSONRPCError(jsonrpc="2.0", id=id_, error=told)


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
