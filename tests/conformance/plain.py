"""Test tools whose shape codingbrain's own tools have: declared, listed and guarded as those are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mcp.server.subscriptions import PromptsListChanged, ServerEvent, SubscriptionBus, ToolsListChanged

from codingbrain.errors import InvalidArgumentError
from codingbrain.identity.scopes import Scope
from codingbrain.runtime import Workspace
from codingbrain.toolkit.tool import READS, AnyTool, Cost, Tool, Toolset
from codingbrain_tools.arguments import Nothing


@dataclass(frozen=True, slots=True)
class Said:
    """One text."""

    text: str


Run = Callable[[Workspace, Nothing], Awaitable[Said]]


def tools(bus: SubscriptionBus) -> tuple[AnyTool, ...]:
    """The tools; two of them announce on `bus` that a list has changed."""

    async def simple(workspace: Workspace, given: Nothing) -> Said:
        del workspace, given
        return Said("This is a simple text response for testing.")

    async def failing(workspace: Workspace, given: Nothing) -> Said:
        del workspace, given
        raise InvalidArgumentError("This tool intentionally returns an error for testing")

    def announcing(event: ServerEvent) -> Run:
        async def announce(workspace: Workspace, given: Nothing) -> Said:
            del workspace, given
            await bus.publish(event)
            return Said("Announced.")

        return announce

    return (
        _tool("test_simple_text", "Answers with a text.", simple),
        _tool("test_error_handling", "Always fails.", failing),
        _tool("test_trigger_tool_change", "Announces that the tools have changed.", announcing(ToolsListChanged())),
        _tool(
            "test_trigger_prompt_change", "Announces that the prompts have changed.", announcing(PromptsListChanged())
        ),
    )


def _tool(name: str, description: str, handler: Run) -> AnyTool:
    return Tool(
        name=name,
        title=name,
        description=description,
        toolset=Toolset.CORE,
        scopes=frozenset({Scope.MEMORIES_READ}),
        arguments=Nothing,
        result=Said,
        handler=handler,
        hints=READS,
        cost=Cost.CHEAP,
    )
