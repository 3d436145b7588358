"""Test tools that answer with more than text."""

from typing import Final

from mcp_types import (
    AudioContent,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

from tests.conformance.handler import Context, Handler, showing

PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
"""One pixel."""

WAV: Final = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA=="
"""One sample."""

IMAGE: Final = ImageContent(data=PNG, mime_type="image/png")


def resource(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    """A text resource within a result."""
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def _shows(name: str, what: str, *content: ContentBlock) -> Handler:
    async def run(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
        del ctx, params
        return showing(*content)

    return Handler(name, f"Answers with {what}.", run)


HANDLERS: Final = (
    _shows("test_image_content", "an image", IMAGE),
    _shows("test_audio_content", "a sound", AudioContent(data=WAV, mime_type="audio/wav")),
    _shows(
        "test_embedded_resource",
        "a resource",
        resource("test://embedded-resource", "This is an embedded resource content."),
    ),
    _shows(
        "test_multiple_content_types",
        "a text, an image and a resource",
        TextContent(text="Multiple content types test:"),
        IMAGE,
        resource("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
    ),
)
