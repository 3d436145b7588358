"""The suite's prompts, and how they are listed, filled and completed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ContentBlock,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from tests.conformance.content import IMAGE, resource
from tests.conformance.handler import Context
from tests.conformance.rounds import Rounds, form

Arguments = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt: its arguments, all of them required, and what the user says with them."""

    arguments: tuple[str, ...]
    filled: Callable[[Arguments], tuple[ContentBlock, ...]]
    rounds: Rounds | None = None


def _text(text: str) -> TextContent:
    return TextContent(text=text)


TEMPLATES: Final = {
    "test_simple_prompt": Template((), lambda _: (_text("This is a simple prompt for testing."),)),
    "test_prompt_with_arguments": Template(
        ("arg1", "arg2"),
        lambda given: (_text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"),),
    ),
    "test_prompt_with_embedded_resource": Template(
        ("resourceUri",),
        lambda given: (
            resource(given["resourceUri"], "Embedded resource content for testing."),
            _text("Please process the embedded resource above."),
        ),
    ),
    "test_prompt_with_image": Template((), lambda _: (IMAGE, _text("Please analyze the image above."))),
    "test_input_required_result_prompt": Template(
        (),
        lambda _: (_text("Please use the given context."),),
        Rounds(({"user_context": form("What context should the prompt use?", context="string")},)),
    ),
}


async def listed(ctx: Context, params: PaginatedRequestParams) -> ListPromptsResult:
    """Answer `prompts/list`."""
    del ctx, params
    return ListPromptsResult(prompts=[_described(name, template) for name, template in TEMPLATES.items()])


async def get(ctx: Context, params: GetPromptRequestParams) -> GetPromptResult | InputRequiredResult:
    """Answer `prompts/get`."""
    del ctx
    given = params.arguments or {}
    template = TEMPLATES.get(params.name)
    if template is None or not given.keys() >= set(template.arguments):
        raise MCPError(INVALID_PARAMS, "Unknown prompt, or an argument is missing")
    if template.rounds and (missing := template.rounds.missing(params)):
        return missing
    return GetPromptResult(messages=[PromptMessage(role="user", content=part) for part in template.filled(given)])


async def complete(ctx: Context, params: CompleteRequestParams) -> CompleteResult:
    """Answer `completion/complete`; nothing comes to mind."""
    del ctx, params
    return CompleteResult(completion=Completion(values=[], total=0, has_more=False))


def _described(name: str, template: Template) -> Prompt:
    arguments = [PromptArgument(name=each, description="For tests", required=True) for each in template.arguments]
    return Prompt(name=name, description="For tests", arguments=arguments)
