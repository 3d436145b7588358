"""The host's end of every local connection: who may speak, and what about."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteStream
from loguru import logger

from codingbrain.errors import CodingbrainError, HostMismatchError, UnauthenticatedError
from codingbrain.host import wire
from codingbrain.host.clients import Clients, Voice
from codingbrain.host.peer import is_owner
from codingbrain.release import VERSION

_HELLO_SECONDS: Final = 10.0

Serve = Callable[[ByteStream], Awaitable[None]]
Answer = Callable[[wire.Fields], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Reception:
    """Who is let in, and who serves them; `limit` is the most bytes of one line."""

    kind: str
    limit: int
    clients: Clients
    serve: Serve
    answer: Answer

    async def receive(self, stream: SocketStream, key: str) -> None:
        """Serve one connection whose caller must show `key`; what goes wrong with it reaches no other."""
        async with stream:
            try:
                await self._receive(stream, key)
            except* (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                pass  # the front is gone
            except* Exception:  # noqa: BLE001 - the outermost edge of a connection
                logger.exception("a local connection failed")

    async def _receive(self, stream: SocketStream, key: str) -> None:
        buffered = BufferedByteStream(stream)
        hello = await _line(buffered)
        if (error := _refusal(stream, hello, key)) is not None:
            await buffered.send(wire.encode({"wire": wire.WIRE, "version": VERSION, "error": wire.fault(error)}))
            return
        about = {"wire": wire.WIRE, "version": VERSION, "kind": self.kind, "limit": self.limit}
        await buffered.send(wire.encode(about))
        if hello.get("role") == wire.MCP:
            voice = Voice(buffered)
            async with self.clients.joined(voice):
                await self.serve(voice)
        else:
            with self.clients.asked():
                await buffered.send(wire.encode(await self._reply(await _line(buffered))))

    async def _reply(self, request: wire.Fields) -> wire.Fields:
        try:
            return {"result": await self.answer(request)}
        except CodingbrainError as error:
            return {"error": wire.fault(error)}


async def _line(stream: BufferedByteStream) -> wire.Fields:
    try:
        with anyio.fail_after(_HELLO_SECONDS):
            return wire.decode(await stream.receive_until(b"\n", wire.MAX_HELLO))
    except (anyio.IncompleteRead, anyio.DelimiterNotFound, TimeoutError, ValueError):
        raise anyio.EndOfStream from None


def _refusal(stream: SocketStream, hello: wire.Fields, key: str) -> CodingbrainError | None:
    shown = str(hello.get("key", "")).encode()
    connected = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no database is near
    if not is_owner(connected) or not hmac.compare_digest(shown, key.encode()):
        return UnauthenticatedError("this host serves only the user that started it")
    if hello.get("wire") != wire.WIRE:
        return HostMismatchError(
            f"the running host is release {VERSION} and speaks wire {wire.WIRE}, not {hello.get('wire')}; "
            "close the other clients of this data directory, or end the host, then try again"
        )
    return None
