"""The suite's resources, and how they are listed, read and watched."""

import json
import re
from typing import Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    EmptyResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SubscribeRequestParams,
    TextResourceContents,
    UnsubscribeRequestParams,
)

from tests.conformance.content import PNG
from tests.conformance.handler import Context

_TEXT: Final = "text/plain"
_TEMPLATE: Final = ResourceTemplate(
    name="data", uri_template="test://template/{id}/data", description="Data by id", mime_type="application/json"
)
_DATA: Final = re.compile(r"test://template/([^/]+)/data")

CONTENTS: Final = {
    content.uri: content
    for content in (
        TextResourceContents(
            uri="test://static-text", mime_type=_TEXT, text="This is the content of the static text resource."
        ),
        BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG),
        TextResourceContents(uri="test://watched-resource", mime_type=_TEXT, text="This may change."),
    )
}


async def listed(ctx: Context, params: PaginatedRequestParams) -> ListResourcesResult:
    """Answer `resources/list`."""
    del ctx, params
    known = CONTENTS.values()
    resources = [
        Resource(name=each.uri.rpartition("/")[2], uri=each.uri, description="For tests", mime_type=each.mime_type)
        for each in known
    ]
    return ListResourcesResult(resources=resources)


async def templates(ctx: Context, params: PaginatedRequestParams) -> ListResourceTemplatesResult:
    """Answer `resources/templates/list`."""
    del ctx, params
    return ListResourceTemplatesResult(resource_templates=[_TEMPLATE])


async def read(ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
    """Answer `resources/read`."""
    del ctx
    if named := _DATA.fullmatch(params.uri):
        data = {"id": named[1], "templateTest": True, "data": f"Data for ID: {named[1]}"}
        text = json.dumps(data, separators=(",", ":"))
        return ReadResourceResult(
            contents=[TextResourceContents(uri=params.uri, mime_type=_TEMPLATE.mime_type, text=text)]
        )
    if (content := CONTENTS.get(params.uri)) is None:
        raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": params.uri})
    return ReadResourceResult(contents=[content])


async def watched(ctx: Context, params: SubscribeRequestParams | UnsubscribeRequestParams) -> EmptyResult:
    """Answer `resources/subscribe` and `resources/unsubscribe`; nothing here ever changes."""
    del ctx, params
    return EmptyResult()
