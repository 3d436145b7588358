"""Test tools that are about their argument schemas."""

from typing import Any, Final

from mcp_types import CallToolRequestParams, CallToolResult

from tests.conformance.handler import Context, Handler, said

RICH: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""Keywords that a server might lose on the way (SEP-1613, SEP-2106)."""

MIRRORED: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["region"],
}
"""An argument that clients must repeat in a header (SEP-2243)."""


async def _thanks(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    del ctx, params
    return said("Thank you.")


HANDLERS: Final = (
    Handler("json_schema_2020_12_tool", "Takes a contact.", _thanks, RICH),
    Handler("test_header_parameter", "Takes a region.", _thanks, MIRRORED),
)
