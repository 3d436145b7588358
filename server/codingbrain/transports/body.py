"""The body of a request, bounded in size and in time."""

from collections.abc import Awaitable, Coroutine, Generator
from types import CoroutineType
from typing import Any, Final, cast

import anyio
from starlette.types import Message, Receive

from codingbrain.toolkit.replies import refusal
from codingbrain.transports.refused import RefusedError

_JSON: Final = b"application/json"
_CLOSE: Final = {"Connection": "close"}
"""What is not read of a body must not be taken for the next request."""


async def read(fields: dict[bytes, bytes], receive: Receive, cap: int, seconds: float) -> bytes:
    """All of the body, if it says that it is JSON, keeps under the cap and arrives in time.

    Most bodies arrive with their headers; only for others is a deadline set, which costs as much as all other checks.

    Raises:
        RefusedError: with 400, 408, 413 or 415.
    """
    declared = fields.get(b"content-length", b"")
    if declared.isdigit() and int(declared[:20]) > cap:
        raise RefusedError(refusal(413, f"A request body may have at most {cap} bytes.", headers=_CLOSE))
    if fields.get(b"content-type") != _JSON and _is_other(fields, declared):
        raise RefusedError(refusal(415, headers=_CLOSE))
    first = _begun(receive())
    if isinstance(first, dict) and not first.get("more_body", False):
        return _part(first, cap)
    with anyio.move_on_after(seconds):
        return await _joined(await first if isinstance(first, Awaitable) else first, receive, cap)
    raise RefusedError(refusal(408, headers=_CLOSE))


def _is_other(fields: dict[bytes, bytes], declared: bytes) -> bool:
    """Whether there is a body and it does not say that it is JSON."""
    is_there = b"transfer-encoding" in fields or declared.strip(b"0") != b""
    return is_there and not fields.get(b"content-type", b"").lower().startswith(_JSON)


async def _joined(message: Message, receive: Receive, cap: int) -> bytes:
    whole = bytearray(_part(message, cap))
    while message.get("more_body", False):
        message = await receive()
        whole += _part(message, cap - len(whole))
    return bytes(whole)


def _part(message: Message, room: int) -> bytes:
    if message["type"] != "http.request":
        raise RefusedError(refusal(400, "The request ended before its body."))
    part: bytes = message.get("body", b"")
    if len(part) > room:
        raise RefusedError(refusal(413, "The request body is larger than this server takes.", headers=_CLOSE))
    return part


def _begun(step: Awaitable[Message]) -> Message | Awaitable[Message]:
    """The message if it is there already, otherwise what waits for it."""
    if not isinstance(step, CoroutineType):
        return step
    coroutine = cast("Coroutine[Any, Any, Message]", step)
    try:
        return _Waiting(coroutine, coroutine.send(None))
    except StopIteration as ended:
        return ended.value


class _Waiting(Generator[Any, Any, Message]):
    """A coroutine that was started and waits for `first`, as something to await."""

    def __init__(self, coroutine: Coroutine[Any, Any, Message], first: object) -> None:
        self._coroutine = coroutine
        self._first: object | None = first
        self._passed = False

    def __await__(self) -> "_Waiting":
        return self

    def send(self, value: object) -> object:
        if self._passed:
            return self._coroutine.send(value)
        self._passed = True
        return self._first

    def throw(self, *error: Any) -> object:  # noqa: ANN401 - as a generator declares it
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()
