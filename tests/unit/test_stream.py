"""Answers that stay open: how they end, and how many there may be."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from codingbrain.errors import ForbiddenError, UnauthenticatedError, UnavailableError
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.limits.fields import fields
from codingbrain.limits.standing import Standing
from codingbrain.transports.challenge import Challenges
from codingbrain.transports.demand import Messages
from codingbrain.transports.gate import Gate, Policy
from codingbrain.transports.places import Places
from codingbrain.transports.stream import Watch

pytestmark = pytest.mark.anyio

CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", EVERYTHING)
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}
LISTEN = b'{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{}}'


async def streaming(_: Scope, receive: Receive, send: Send) -> None:
    """A stream that ends when its client leaves."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while (await receive())["type"] != "http.disconnect":
        pass


async def silent() -> Message:
    await anyio.sleep_forever()
    raise AssertionError


async def holds() -> None:
    """A credential that nothing is wrong with."""


async def watched(watch: Watch) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with anyio.fail_after(5):
        await watch.run(streaming, {}, silent, send)
    return sent


@pytest.mark.parametrize("last", [UnauthenticatedError("revoked"), ForbiddenError("disabled")])
async def test_a_stream_outlives_a_store_that_does_not_answer_but_not_its_credential(last: Exception) -> None:
    answers: list[Exception | None] = [None, UnavailableError("away"), None, last]

    async def still() -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    assert (await watched(Watch(still, None, lambda: 0, 0.01)))[-1] == END
    assert not answers


async def test_a_stream_ends_with_its_token_and_not_at_the_next_question() -> None:
    times = iter([0, 30_000, 60_000])
    sent = await watched(Watch(holds, 50_000, lambda: next(times), 3600))
    assert sent[-1] == END


async def test_a_stream_with_a_token_that_has_ended_does_not_live() -> None:
    assert (await watched(Watch(holds, 5, lambda: 5, 3600)))[-1] == END


def gate(app: Callable[[Scope, Receive, Send], Awaitable[None]], principals: list[Principal]) -> Gate:
    async def authenticate(_: object) -> Principal:
        return principals.pop(0)

    async def still(_: str) -> Principal:
        return CALLER

    policy = Policy(
        authenticate=authenticate,
        still=still,
        nonce=lambda: None,
        charge=lambda *_: Standing("user-burst", 1, 100, 99, 0.5),
        told=fields,
        denied=lambda *_: None,
        challenges=Challenges("https://brain.example", "off", []),
        places=Places(1),
        clock=lambda: 0,
        max_body=1_000,
        body_seconds=1.0,
        recheck_seconds=3600,
    )
    return Gate(app, policy, Messages("/mcp", {}))


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", LISTEN)])
async def test_a_user_holds_so_many_streams_and_no_more(method: str, body: bytes) -> None:
    other = replace(CALLER, user=UUID(int=3))
    app = gate(streaming, [CALLER, CALLER, other, CALLER])
    leaving = anyio.Event()

    async def ask(*, stays: bool) -> int:
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        statuses: list[int] = []

        async def receive() -> Message:
            if parts:
                return parts.pop()
            if stays:
                await leaving.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        headers = [(b"authorization", b"Bearer abc"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": method, "path": "/mcp", "headers": headers}
        with anyio.fail_after(5):
            await app(scope, receive, send)
        return statuses[0]

    async with anyio.create_task_group() as tasks:

        async def hold() -> None:
            assert await ask(stays=True) == 200

        tasks.start_soon(hold)
        await anyio.wait_all_tasks_blocked()
        assert await ask(stays=False) == 429
        assert await ask(stays=False) == 200
        leaving.set()
    assert await ask(stays=False) == 200
