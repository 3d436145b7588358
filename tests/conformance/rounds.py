"""Test tools that need several round trips: each answer asks for what is missing (2026-07-28, SEP-2322)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_types import (
    CallToolRequestParams,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    InputResponseRequestParams,
    InputResponses,
    ListRootsRequest,
    SamplingCapability,
    SamplingMessage,
    TextContent,
)

from tests.conformance.handler import Answer, Context, Handler, said

Asks = Mapping[str, InputRequest]


@dataclass(frozen=True, slots=True)
class Rounds:
    """What is asked for in each round; with `state` the server counts the rounds in what the client must send back."""

    asks: tuple[Asks, ...]
    state: bool = False

    def missing(self, params: InputResponseRequestParams) -> InputRequiredResult | None:
        """What this request lacks, if anything."""
        number = int(params.request_state or 0)
        told = not self.state or params.request_state is not None
        if told and self.asks[number].keys() <= (params.input_responses or {}).keys():
            number += 1
        if number == len(self.asks):
            return None
        state = str(number) if self.state else None
        return InputRequiredResult(input_requests=dict(self.asks[number]), request_state=state)


def form(message: str, **properties: str) -> ElicitRequest:
    """A question to the user; each property has a type."""
    fields: dict[str, Any] = {name: {"type": kind} for name, kind in properties.items()}
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str) -> CreateMessageRequest:
    """A question to the client's model."""
    messages = [SamplingMessage(role="user", content=TextContent(text=text))]
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=messages, max_tokens=100))


def _handler(name: str, rounds: Rounds, tell: Callable[[InputResponses], str] = lambda _: "Thank you.") -> Handler:
    async def run(ctx: Context, params: CallToolRequestParams) -> Answer:
        del ctx
        return rounds.missing(params) or said(tell(params.input_responses or {}))

    return Handler(f"test_{name}", "Asks for input before it answers.", run)


async def _able(ctx: Context, params: CallToolRequestParams) -> Answer:
    """Ask only for what the client says that it can do."""
    asks: dict[str, InputRequest] = {}
    if ctx.session.check_client_capability(ClientCapabilities(sampling=SamplingCapability())):
        asks["sampled"] = sample("What is the capital of France?")
    if ctx.session.check_client_capability(ClientCapabilities(elicitation=ElicitationCapability())):
        asks["user_name"] = form("What is your name?", name="string")
    return Rounds((asks,)).missing(params) or said("Thank you.")


def _greeting(responses: InputResponses) -> str:
    match responses["user_name"]:
        case ElicitResult(action="accept", content={"name": name}):
            return f"Hello, {name}!"
        case _:
            return "Hello!"


NAME: Final = Rounds(({"user_name": form("What is your name?", name="string")},))
CONFIRMED: Final = Rounds(({"confirm": form("Please confirm.", ok="boolean")},), state=True)
TWICE: Final = Rounds(
    (
        {"step1": form("Step 1: What is your name?", name="string")},
        {"step2": form("Step 2: What is your favorite color?", color="string")},
    ),
    state=True,
)
ALL: Final = Rounds(
    (
        {
            "user_name": form("What is your name?", name="string"),
            "greeting": sample("Generate a greeting"),
            "client_roots": ListRootsRequest(),
        },
    ),
    state=True,
)

HANDLERS: Final = (
    _handler("input_required_result_elicitation", NAME, _greeting),
    _handler("input_required_result_sampling", Rounds(({"capital_question": sample("The capital of France?")},))),
    _handler("input_required_result_list_roots", Rounds(({"client_roots": ListRootsRequest()},))),
    _handler("input_required_result_request_state", CONFIRMED, lambda _: "state-ok"),
    _handler("input_required_result_tampered_state", CONFIRMED, lambda _: "state-ok"),
    _handler("input_required_result_multiple_inputs", ALL),
    _handler("input_required_result_multi_round", TWICE),
    _handler("streaming_elicitation", NAME, _greeting),
    Handler("test_input_required_result_capabilities", "Asks for what the client can do.", _able),
)
