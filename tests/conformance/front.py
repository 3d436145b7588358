"""A front that gives every request a credential, since the suite cannot send any, and calls the product in process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from anyio.abc import TaskStatus
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.host.web import bind
from tests.conformance.credentials import Credentials
from tests.journeys.served import WAIT, Served


@dataclass(frozen=True, slots=True)
class Front:
    """ASGI; nothing else of a request is changed, its host and origin least of all. Answers are counted by status."""

    app: ASGIApp
    credentials: Credentials
    statuses: Counter[int] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the product does."""

        async def heed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
                self.credentials.learn(message["headers"])
            await send(message)

        given = self.credentials.give(scope["method"], scope["path"])
        await self.app({**scope, "headers": [*scope["headers"], *given]}, receive, heed)


@contextmanager
def fronted(served: Served, credentials: Credentials) -> Iterator[tuple[str, Front]]:
    """The URL of `/mcp` behind a front with a loopback port of its own, until the block ends."""
    front = Front(served.app, credentials)

    async def run(*, task_status: TaskStatus[tuple[str, uvicorn.Server]]) -> None:
        with bind("127.0.0.1", 0) as bound:
            config = uvicorn.Config(
                front, log_config=None, access_log=False, ws="none", lifespan="off", timeout_graceful_shutdown=1
            )
            server = uvicorn.Server(config)
            task_status.started((f"http://127.0.0.1:{bound.getsockname()[1]}/mcp", server))
            await server.serve([bound])

    ended, (url, server) = served.portal.start_task(run)
    try:
        yield url, front
    finally:
        server.should_exit = True
        ended.result(WAIT)
