"""All faces in one ASGI application: MCP over streamable HTTP and SSE, health and metrics."""

from collections.abc import AsyncGenerator, Iterator
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
from codingbrain.access.dpop import ALGORITHMS
from codingbrain.limits.fields import fields
from codingbrain.limits.subject import of_item
from codingbrain.runtime import Runtime
from codingbrain.telemetry.requests import Requests
from codingbrain.toolkit.catalogue import Catalogue
from codingbrain.toolkit.guard import Guard
from codingbrain.toolkit.mcp import Face, serve
from codingbrain.toolkit.replies import refusal
from codingbrain.toolkit.tool import AnyTool
from codingbrain.transports.challenge import Challenges
from codingbrain.transports.demand import Demand, Fixed, Messages
from codingbrain.transports.gate import Gate, Policy
from codingbrain.transports.headers import Headers
from codingbrain.transports.http import Streamable
from codingbrain.transports.metadata import PATH as METADATA
from codingbrain.transports.metadata import Metadata, document
from codingbrain.transports.origin import Origins, is_local
from codingbrain.transports.places import Places
from codingbrain.transports.public import ROUTES as PUBLIC
from codingbrain.transports.public import Public
from codingbrain.transports.sse import MESSAGES, Streams
from codingbrain_admin import audit, health, limits, metrics
from codingbrain_admin.route import AdminRoute, Endpoint
from codingbrain_tools import INSTRUCTIONS, TOOLS


@cache
def catalogue() -> Catalogue:
    """The offered tools; they are the same for every runtime."""
    return Catalogue(TOOLS)


def protocol(runtime: Runtime, offered: Catalogue | None = None) -> Server[Any]:
    """The MCP server that all transports of a process share, the local socket among them."""
    charge, denied = runtime.limiter.charge, runtime.trail.denied
    guard = Guard(offered or catalogue(), runtime.workspace, runtime.metrics, charge=charge, denied=denied)
    title = "codingbrain"
    return serve(guard, Face(title, runtime.version, title, INSTRUCTIONS, list_all=runtime.settings.list_all_tools))


def build(runtime: Runtime, server: Server[Any], offered: Catalogue | None = None) -> Requests:
    """The HTTP application; it can be started once, and its lifespan owns no part of the runtime."""
    settings, shared = runtime.settings, policy(runtime)
    tools = {each.name: Demand(each.name, each.scopes, each.cost.units) for each in _tools(offered or catalogue())}
    most, largest = settings.max_sessions, settings.max_body_bytes
    streams = Streams(server, runtime.metrics, max_sessions=most, max_body=largest)
    streamable = Streamable(
        server, runtime.metrics, max_sessions=most, max_user_sessions=settings.max_user_sessions, max_body=largest
    )
    faces = {"/mcp": streamable, "/sse": streams, MESSAGES: streams.messages}
    routes = [Route(path, Gate(face, shared, Messages(path, tools))) for path, face in faces.items()]
    items = {*tools, *(f"{method} {path}" for path in faces for method in ("GET", "POST", "DELETE"))}
    routes += _administration(runtime, shared, {of_item(item) for item in items})
    shown = Metadata(document(runtime.origin, (each.url for each in settings.issuers), settings.dpop, ALGORITHMS))
    described = [path for path in PUBLIC if path.startswith(METADATA)]
    routes += [Route(path, shown) for path in described]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with streamable.run():
            yield

    handlers = {HTTPException: _refused, Exception: _broken}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False  # a redirect would name the scheme and host that the last proxy used
    known = Origins(app, runtime.origin, settings.cors_origins, described)
    return Requests(Headers(known, tls=runtime.origin.startswith("https:")), runtime.metrics, routes)


def policy(runtime: Runtime) -> Policy:
    """What every gate of this runtime asks."""
    settings, authenticator = runtime.settings, runtime.authenticator
    return Policy(
        authenticate=authenticator.authenticate,
        still=authenticator.still,
        nonce=authenticator.nonce,
        charge=runtime.limiter.charge,
        told=fields,
        denied=runtime.trail.denied,
        challenges=Challenges(runtime.origin, settings.dpop, ALGORITHMS),
        places=Places(settings.max_user_streams),
        clock=clock.now,
        max_body=settings.max_body_bytes,
        body_seconds=settings.body_seconds,
    )


def _tools(offered: Catalogue) -> Iterator[AnyTool]:
    return (entry.tool for entry in offered.entries)


def _administration(runtime: Runtime, shared: Policy, items: set[str]) -> Iterator[Route]:
    """The admin routes behind their gates; `items` are the tools and routes that have limits, and get these too."""
    rows = (*health.ROUTES, *metrics.ROUTES, *audit.ROUTES, *limits.routes(items))
    items |= {of_item(f"{row.method} {row.path}") for row in rows}
    for path in dict.fromkeys(row.path for row in rows):
        here = [row for row in rows if row.path == path]
        yield Route(path, _gated(path, here, Endpoint(here, runtime), shared, private=runtime.settings.is_private))


def _gated(path: str, rows: list[AdminRoute], app: ASGIApp, shared: Policy, *, private: bool) -> ASGIApp:
    demands = {row.method: Demand(f"{row.method} {path}", row.scopes, row.cost.units) for row in rows}
    match PUBLIC.get(path):
        case Public.ALWAYS:
            return app
        case Public.MORE:
            return Gate(app, shared, Fixed(path, demands), strangers=lambda _: True)
        case Public.LOCAL if private:
            return Gate(app, shared, Fixed(path, demands), strangers=is_local)
        case Public.LOCAL | None:
            return Gate(app, shared, Fixed(path, demands))


async def _refused(_: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    return refusal(status, headers=headers)


async def _broken(_: Request, error: Exception) -> Response:
    del error
    return refusal(500)
