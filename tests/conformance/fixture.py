"""codingbrain's own server with what the suite expects of a server beside it: its tools, resources and prompts."""

from collections.abc import Mapping
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp_types import (
    CallToolRequestParams,
    CompleteRequestParams,
    EmptyResult,
    GetPromptRequestParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    SetLevelRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)
from starlette.types import ASGIApp

from codingbrain.app import build, protocol
from codingbrain.runtime import Runtime
from codingbrain.toolkit.catalogue import Catalogue
from codingbrain_tools import TOOLS
from tests.conformance import content, notices, plain, prompts, questions, resources, rounds, schemas
from tests.conformance.handler import Context, Handler

HANDLERS: Final[Mapping[str, Handler]] = {
    handler.name: handler for module in (content, notices, questions, rounds, schemas) for handler in module.HANDLERS
}


def application(runtime: Runtime) -> ASGIApp:
    """The whole HTTP application, every test tool and gate in place."""
    bus = InMemorySubscriptionBus()
    offered = Catalogue((*TOOLS, *plain.tools(bus)))
    server = protocol(runtime, offered)
    _add_tools(server)
    _add_lists(server)
    server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, ListenHandler(bus))
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=server.name))
    return build(runtime, server, offered)


def _add_tools(server: Server[Any]) -> None:
    """List and call the handlers beside the tools that are there already."""
    listing, calling = server.get_request_handler("tools/list"), server.get_request_handler("tools/call")
    schema = server.get_tool_input_schema
    assert listing is not None
    assert calling is not None
    assert schema is not None

    async def list_tools(ctx: Context, params: PaginatedRequestParams) -> dict[str, Any]:
        result: Any = await listing.handler(ctx, params)
        return {**result, "tools": [*result["tools"], *(each.described() for each in HANDLERS.values())]}

    async def call_tool(ctx: Context, params: CallToolRequestParams) -> Any:  # noqa: ANN401 - as either answers
        handler = HANDLERS.get(params.name)
        return await (handler.run(ctx, params) if handler else calling.handler(ctx, params))

    def input_schema(name: str) -> Mapping[str, Any] | None:
        return HANDLERS[name].schema if name in HANDLERS else schema(name)

    server.get_tool_input_schema = input_schema
    server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)


def _add_lists(server: Server[Any]) -> None:
    server.add_request_handler("resources/list", PaginatedRequestParams, resources.listed)
    server.add_request_handler("resources/templates/list", PaginatedRequestParams, resources.templates)
    server.add_request_handler("resources/read", ReadResourceRequestParams, resources.read)
    server.add_request_handler("resources/subscribe", SubscribeRequestParams, resources.watched)
    server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, resources.watched)
    server.add_request_handler("prompts/list", PaginatedRequestParams, prompts.listed)
    server.add_request_handler("prompts/get", GetPromptRequestParams, prompts.get)
    server.add_request_handler("completion/complete", CompleteRequestParams, prompts.complete)
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, _level)


async def _level(ctx: Context, params: SetLevelRequestParams) -> EmptyResult:
    del ctx, params
    return EmptyResult()
