"""Answers that stay open, and end when the credential that opened them does."""

from collections.abc import Awaitable, Callable

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.clock import SECOND, Clock, Micros
from codingbrain.errors import CodingbrainError, ForbiddenError, UnauthenticatedError


class Watch:
    """Runs an application until its client leaves or the credential ends.

    `still` asks whether it holds, every `seconds`; `until` is when it expires, which nobody needs to be asked about.
    """

    def __init__(
        self, still: Callable[[], Awaitable[object]], until: Micros | None, clock: Clock, seconds: float
    ) -> None:
        self._still = still
        self._until = until
        self._clock = clock
        self._seconds = seconds
        self._ended = anyio.Event()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """The application learns of the end as of a client that left, so that it cleans up as ever."""
        is_open = False

        async def outgoing(message: Message) -> None:
            nonlocal is_open
            is_open = message["type"] == "http.response.start" or message.get("more_body", False)
            await send(message)

        async def incoming() -> Message:
            return await self._either(receive)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._end)
            await app(scope, incoming, outgoing)
            tasks.cancel_scope.cancel()
        if is_open:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end(self) -> None:
        while (left := self._left()) > 0:
            await anyio.sleep(min(left, self._seconds))
            try:
                await self._still()
            except (UnauthenticatedError, ForbiddenError):
                break
            except CodingbrainError:
                continue  # a store that does not answer says nothing about the credential
        self._ended.set()

    def _left(self) -> float:
        return self._seconds if self._until is None else (self._until - self._clock()) / SECOND

    async def _either(self, receive: Receive) -> Message:
        """What the client says next, or that it is gone."""
        message: Message = {"type": "http.disconnect"}
        async with anyio.create_task_group() as race:

            async def listen() -> None:
                nonlocal message
                message = await receive()
                race.cancel_scope.cancel()

            race.start_soon(listen)
            await self._ended.wait()
            race.cancel_scope.cancel()
        return message
