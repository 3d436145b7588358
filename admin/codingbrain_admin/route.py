"""How an admin route is declared: one row in the list of the file that holds its handler."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from codingbrain.errors import CodingbrainError
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import Scope as Permission
from codingbrain.runtime import Runtime
from codingbrain.toolkit.replies import failure, refusal
from codingbrain.toolkit.tool import Cost

NO_STORE: Final = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an admin route, and everything that its handler may use.

    `principal` is `None` only on routes that the table of public routes names, for a caller without a credential.
    """

    request: Request
    runtime: Runtime
    principal: Principal | None

    @property
    def caller(self) -> Principal:
        """Who asks, on a route that needs a principal."""
        if self.principal is None:
            message = "a route without a gate asked for its caller"
            raise RuntimeError(message)
        return self.principal


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """A path and method with what a credential must carry; the gate has checked it before the handler runs.

    `path` is Starlette's, so it may hold `{parameters}`. A handler that raises one of `errors` is answered for.
    """

    path: str
    method: str
    handler: Callable[[Call], Awaitable[Response]]
    scopes: frozenset[Permission]
    cost: Cost = Cost.CHEAP


class Endpoint:
    """The ASGI application of one path: its rows by method."""

    def __init__(self, rows: Iterable[AdminRoute], runtime: Runtime) -> None:
        self._handlers = {row.method: row.handler for row in rows}
        if "GET" in self._handlers:
            self._handlers.setdefault("HEAD", self._handlers["GET"])
        self._allow = {"Allow": ", ".join(sorted(self._handlers))}
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as its principal."""
        handler = self._handlers.get(scope["method"])
        if handler is None:
            await refusal(405, headers=self._allow)(scope, receive, send)
            return
        try:
            answer = await handler(Call(Request(scope, receive), self._runtime, scope.get("principal")))
        except CodingbrainError as error:
            answer = failure(error)
        await answer(scope, receive, send)
