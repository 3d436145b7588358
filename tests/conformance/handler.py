"""Test tools that speak the protocol itself: images, questions, progress, which no tool of codingbrain has."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, ContentBlock, InputRequiredResult, TextContent, Tool

Context = ServerRequestContext[Any, Any]
Answer = CallToolResult | InputRequiredResult


@dataclass(frozen=True, slots=True)
class Handler:
    """One such tool; its arguments are as the client sent them."""

    name: str
    description: str
    run: Callable[[Context, CallToolRequestParams], Awaitable[Answer]]
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})

    def described(self) -> dict[str, Any]:
        """The tool as `tools/list` shows it."""
        tool = Tool(name=self.name, description=self.description, input_schema=dict(self.schema))
        return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


def said(text: str) -> CallToolResult:
    """A result of one text."""
    return showing(TextContent(text=text))


def showing(*content: ContentBlock) -> CallToolResult:
    """A result of these parts."""
    return CallToolResult(content=list(content))
