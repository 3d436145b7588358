"""The tools as an MCP server: the catalogue behind `tools/list`, the guard behind `tools/call`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, PaginatedRequestParams
from starlette.requests import Request

from codingbrain.errors import CodingbrainError, InternalError, UnauthenticatedError, UnknownToolError
from codingbrain.identity.principal import Principal, current
from codingbrain.telemetry import context
from codingbrain.toolkit.catalogue import CORE, Entry, parse_toolsets
from codingbrain.toolkit.guard import Guard
from codingbrain.toolkit.tool import Hints, Toolset

UNAUTHENTICATED: Final = -32001
"""JSON-RPC code, of the range that the specification leaves to implementations."""

PROTOCOL_ERRORS: Final[Mapping[type[CodingbrainError], int]] = {
    UnknownToolError: INVALID_PARAMS,
    UnauthenticatedError: UNAUTHENTICATED,
}
"""Failures that are JSON-RPC errors; every other one is a result with `isError`, which the model can read."""

Context = ServerRequestContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """What one connection without a URL per message lists; pass it as the connection's lifespan state."""

    toolsets: frozenset[Toolset]


@dataclass(frozen=True, slots=True)
class Face:
    """What the server says about itself, and which tools it lists."""

    name: str
    version: str
    title: str | None = None
    instructions: str | None = None
    toolsets: frozenset[Toolset] = CORE
    list_all: bool = False


def serve(guard: Guard, face: Face) -> Server[Any]:
    """An SDK server for every transport; it refuses everything while no principal is set."""

    async def list_tools(ctx: Context, params: PaginatedRequestParams) -> dict[str, Any]:
        del params
        principal = _caller()
        entries = guard.catalogue.listed(_toolsets(ctx, face), None if face.list_all else principal.scopes)
        return {"tools": [described(entry) for entry in entries], "ttlMs": 0, "cacheScope": "private", **_COMPLETE}

    async def call_tool(ctx: Context, params: CallToolRequestParams) -> dict[str, Any]:
        del ctx
        if not context.request_id.get():
            context.request_id.set(context.new_request_id())
        try:
            answer = await guard.call(params.name, params.arguments, current.get())
        except CodingbrainError as error:
            return failed(error)
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        return {"content": _text(text), "structuredContent": answer, **_COMPLETE}

    server = Server[Any](
        face.name,
        version=face.version,
        title=face.title,
        instructions=face.instructions,
        get_tool_input_schema=guard.catalogue.input_schema,
    )
    server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
    return server


def failed(error: CodingbrainError) -> dict[str, Any]:
    """A tool failure: what happened and what to do, for the model as text and for programs by its code.

    Raises:
        MCPError: the failure is one of the protocol, not of a tool.
    """
    if (code := PROTOCOL_ERRORS.get(type(error))) is not None:
        raise MCPError(code, error.message)
    told: dict[str, Any] = {"code": error.code, "message": error.message, "retryable": error.retryable}
    if error.details:
        told["details"] = error.details
    if isinstance(error, InternalError):
        told["request_id"] = context.request_id.get()
    return {"content": _text(f"{error.code}: {error.message}"), "structuredContent": told, "isError": True, **_COMPLETE}


def described(entry: Entry) -> dict[str, Any]:
    """A tool as `tools/list` shows it."""
    tool = entry.tool
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": entry.arguments,
        "outputSchema": entry.result,
        "annotations": _annotations(tool.hints),
    }


def _annotations(hints: Hints) -> dict[str, bool]:
    """Only what differs from the protocol's defaults: a tool writes, destroys, and reaches the open world."""
    said = {"readOnlyHint": hints.read_only, "idempotentHint": hints.idempotent and not hints.read_only}
    denied = {"destructiveHint": hints.destructive or hints.read_only, "openWorldHint": hints.open_world}
    return {key: True for key, value in said.items() if value} | {
        key: False for key, value in denied.items() if not value
    }


def _caller() -> Principal:
    if (principal := current.get()) is None:
        raise MCPError(UNAUTHENTICATED, "A credential is needed to list tools.")
    return principal


def _toolsets(ctx: Context, face: Face) -> frozenset[Toolset]:
    """Of this request's URL, else of its connection, else of the settings; never of what was said before."""
    request = cast("object", ctx.request)
    if isinstance(request, Request) and (asked := request.query_params.get("toolsets")) is not None:
        return parse_toolsets(asked)
    return ctx.lifespan_context.toolsets if isinstance(ctx.lifespan_context, Shown) else face.toolsets


def _text(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


_COMPLETE: Final = {"resultType": "complete"}
