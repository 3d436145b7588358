"""All faces in one ASGI application: MCP over streamable HTTP and SSE, health and metrics."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from mcp.server.lowlevel import Server
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from codingbrain import clock
from codingbrain.runtime import Runtime
from codingbrain.telemetry.requests import Requests
from codingbrain.toolkit.catalogue import Catalogue
from codingbrain.toolkit.guard import Guard
from codingbrain.toolkit.mcp import Face, serve
from codingbrain.toolkit.replies import refusal
from codingbrain.transports.gate import Gate, Policy
from codingbrain.transports.http import Streamable
from codingbrain.transports.origin import Origins, is_loopback
from codingbrain.transports.sse import MESSAGES, Streams
from codingbrain_admin import health, metrics
from codingbrain_tools import INSTRUCTIONS, TOOLS


@cache
def catalogue() -> Catalogue:
    """The offered tools; they are the same for every runtime."""
    return Catalogue(TOOLS)


def protocol(runtime: Runtime) -> Server[Any]:
    """The MCP server that all transports of a process share, the local socket among them."""
    guard = Guard(catalogue(), runtime.workspace, runtime.metrics)
    title = "codingbrain"
    return serve(guard, Face(title, runtime.version, title, INSTRUCTIONS, list_all=runtime.settings.list_all_tools))


def build(runtime: Runtime, server: Server[Any]) -> ASGIApp:
    """The HTTP application; it can be started once, and its lifespan owns no part of the runtime."""
    settings = runtime.settings
    policy = Policy(runtime.tokens.verify, catalogue().scopes, settings.max_body_bytes)
    limits = {"max_sessions": settings.max_sessions, "max_body": settings.max_body_bytes}
    streamable = Streamable(server, runtime.metrics, **limits)
    streams = Streams(server, runtime.metrics, **limits)
    routes = [
        Route("/mcp", Gate(streamable, policy)),
        Route("/sse", Gate(streams, policy)),
        Route(MESSAGES, Gate(streams.messages, policy)),
        *health.routes(runtime.readiness, clock.now),
        *metrics.routes(runtime.metrics.registry, is_loopback),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with streamable.run():
            yield

    handlers = {HTTPException: _refused, Exception: _broken}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    return Requests(Origins(app, settings.public_url), runtime.metrics, routes)


async def _refused(_: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    return refusal(status, headers=headers)


async def _broken(_: Request, error: Exception) -> Response:
    del error
    return refusal(500)
