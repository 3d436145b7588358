"""The MCP server refuses whoever is nobody, and says what a tool is in few words."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from mcp import Client, MCPError

from codingbrain.app import catalogue, protocol
from codingbrain.identity.principal import Principal, current
from codingbrain.identity.scopes import EVERYTHING, Scope
from codingbrain.limits.standing import Standing
from codingbrain.runtime import Runtime
from codingbrain.settings import load
from codingbrain.telemetry.metrics import Metrics
from codingbrain.toolkit.mcp import UNAUTHENTICATED, described
from codingbrain.toolkit.tool import Hints

CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", EVERYTHING)
ROOM = Standing("user-burst", 1, 100, 99, 1.0)
READER = Principal(UUID(int=1), UUID(int=2), "someone", "test", frozenset({Scope.MEMORIES_READ}))


def runtime(**settings: Any) -> Runtime:  # noqa: ANN401 - whatever the settings take
    parts = SimpleNamespace(
        settings=load(settings),
        metrics=Metrics(),
        version="1.2.3",
        workspace=lambda principal: SimpleNamespace(principal=principal),
        limiter=SimpleNamespace(charge=lambda *_: ROOM),
        trail=SimpleNamespace(denied=lambda *_: None),
    )
    return cast("Runtime", parts)


@pytest.mark.anyio
async def test_nobody_gets_nothing() -> None:
    async with Client(protocol(runtime()), read_timeout_seconds=5) as client:
        with pytest.raises(MCPError) as listing:
            await client.list_tools()
        with pytest.raises(MCPError) as calling:
            await client.call_tool("whoami", {})
    assert listing.value.error.code == calling.value.error.code == UNAUTHENTICATED


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.anyio
async def test_the_list_is_filtered_unless_told_otherwise(everything: bool) -> None:  # noqa: FBT001 - a case
    token = current.set(READER)
    try:
        async with Client(protocol(runtime(list_all_tools=everything)), read_timeout_seconds=5) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert ("add_memories" in names) is everything
            refused = await client.call_tool("add_memories", {"text": "x"})
            assert refused.structured_content == {
                "code": "insufficient_scope",
                "message": "add_memories needs a credential with: memories:write.",
                "retryable": False,
                "details": {"required": ["memories:write"]},
            }
    finally:
        current.reset(token)


@pytest.mark.parametrize(
    ("hints", "said"),
    [
        (Hints(read_only=True, idempotent=True), {"readOnlyHint": True, "openWorldHint": False}),
        (Hints(), {"destructiveHint": False, "openWorldHint": False}),
        (Hints(destructive=True, idempotent=True), {"idempotentHint": True, "openWorldHint": False}),
        (Hints(open_world=True), {"destructiveHint": False}),
    ],
)
def test_hints_say_only_what_differs_from_the_protocols_defaults(hints: Hints, said: dict[str, bool]) -> None:
    entry = catalogue().entries[0]
    told = SimpleNamespace(
        tool=SimpleNamespace(name="", title="", description="", hints=hints), arguments={}, result={}
    )
    assert described(cast("Any", told))["annotations"] == said
    assert set(described(entry)) == {"name", "title", "description", "inputSchema", "outputSchema", "annotations"}
