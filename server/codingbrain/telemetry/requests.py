"""Every HTTP request has an id and is counted."""

import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.telemetry.context import chosen, new_request_id, request_id
from codingbrain.telemetry.metrics import Metrics

HEADER: Final = "X-Request-ID"

_GIVEN: Final = re.compile(rb"[A-Za-z0-9._~:-]{1,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STREAM: Final = b"text/event-stream"


class Requests:
    """ASGI middleware: takes a well-formed `X-Request-ID` or makes one, returns it, and counts the answer.

    `routes` are those of the application inside; they give the metrics their bounded route label.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self.routes = tuple(routes)
        self._patterns = dict(_patterns(self.routes, ""))
        # The labels are bounded, and looking an instrument up by them costs more than counting.
        self._counter = lru_cache(maxsize=1024)(metrics.http_requests.labels)
        self._timer = lru_cache(maxsize=256)(metrics.http_request_duration.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _given(scope)
        id_ = given or new_request_id()
        token, choice = request_id.set(id_), chosen.set(given is not None)
        exchange = _Exchange(send, id_)
        try:
            await self._app(scope, receive, exchange.send)
        finally:
            request_id.reset(token)
            chosen.reset(choice)
            self._count(scope, exchange)

    def _count(self, scope: Scope, exchange: "_Exchange") -> None:
        route = self._patterns.get(id(scope.get("endpoint")), "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._counter(method, route, exchange.status or "aborted").inc()
        if not exchange.streams:
            self._timer(route).observe(time.perf_counter() - exchange.began)


class _Exchange:
    """What is known of one answer while it passes."""

    __slots__ = ("_header", "_send", "began", "status", "streams")

    def __init__(self, send: Send, id_: str) -> None:
        self.status = 0
        self.streams = False
        self.began = time.perf_counter()
        self._send = send
        self._header = (b"x-request-id", id_.encode("ascii"))

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            message["headers"] = [*headers, self._header]
            self.status = message["status"]
            self.streams = any(name == b"content-type" and value.startswith(_STREAM) for name, value in headers)
        await self._send(message)


def _given(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"x-request-id"]
    return values[0].decode("ascii") if len(values) == 1 and _GIVEN.fullmatch(values[0]) else None


def _patterns(routes: Iterable[BaseRoute], prefix: str) -> Iterable[tuple[int, str]]:
    for route in routes:
        match route:
            case Mount(path=path, app=app):
                yield id(app), prefix + path
                yield from _patterns(route.routes, prefix + path)
            case Route(path=path, endpoint=endpoint):
                yield id(endpoint), prefix + path
            case _:
                pass
