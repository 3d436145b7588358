"""Test tools that ask the client in the middle of a call, as clients before 2026-07-28 can be asked."""

from collections.abc import Mapping
from typing import Any, Final

from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    SamplingMessage,
    TextContent,
)

from tests.conformance.handler import Context, Handler, said

_STATES: Final = ["active", "inactive", "pending"]
_TITLED: Final = [{"const": "low", "title": "Low priority"}, {"const": "high", "title": "High priority"}]

DEFAULTS: Final = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": _STATES, "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
"""A default for every primitive type (SEP-1034)."""

ENUMS: Final = {
    "untitledSingle": {"type": "string", "enum": _STATES},
    "titledSingle": {"type": "string", "oneOf": _TITLED},
    "legacyEnum": {"type": "string", "enum": ["s", "m"], "enumNames": ["Small", "Medium"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _STATES}},
    "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
}
"""Every way to give choices (SEP-1330)."""

CONTACT: Final = {
    "username": {"type": "string", "description": "User's response"},
    "email": {"type": "string", "description": "User's email address"},
}


async def _sampling(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    prompt = SamplingMessage(role="user", content=TextContent(text=str((params.arguments or {})["prompt"])))
    request = CreateMessageRequest(params=CreateMessageRequestParams(messages=[prompt], max_tokens=100))
    along = ServerMessageMetadata(related_request_id=ctx.request_id)
    result = await ctx.session.send_request(request, CreateMessageResult, metadata=along)
    return said(f"LLM response: {result.content.text if isinstance(result.content, TextContent) else '?'}")


async def _asked(ctx: Context, message: str, properties: Mapping[str, Any]) -> CallToolResult:
    schema = {"type": "object", "properties": dict(properties), "required": list(properties)}
    result = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return said(f"Elicitation completed: action={result.action}, content={result.content}")


async def _elicitation(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    return await _asked(ctx, str((params.arguments or {})["message"]), CONTACT)


async def _defaults(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    del params
    return await _asked(ctx, "Please review these values.", DEFAULTS)


async def _enums(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    del params
    return await _asked(ctx, "Please choose.", ENUMS)


def _needing(argument: str) -> dict[str, Any]:
    return {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}


HANDLERS: Final = (
    Handler("test_sampling", "Asks the client's model.", _sampling, _needing("prompt")),
    Handler("test_elicitation", "Asks the user for a contact.", _elicitation, _needing("message")),
    Handler("test_elicitation_sep1034_defaults", "Asks the user with defaults.", _defaults),
    Handler("test_elicitation_sep1330_enums", "Asks the user with choices.", _enums),
)
