"""The guard decides, bounds and translates, for every caller alike."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Annotated, Any, cast
from uuid import UUID

import anyio
import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from codingbrain.errors import (
    CodingbrainError,
    DeadlineExceededError,
    InsufficientScopeError,
    InternalError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    UnauthenticatedError,
    UnknownToolError,
)
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING, Scope
from codingbrain.limits.standing import Standing, charged
from codingbrain.runtime import Workspace
from codingbrain.telemetry import context
from codingbrain.telemetry.logs import open_logs
from codingbrain.telemetry.metrics import Metrics
from codingbrain.toolkit.catalogue import Catalogue, parse_toolsets
from codingbrain.toolkit.faults import MAX_DEPTH, MAX_VALUES
from codingbrain.toolkit.guard import MAX_ORG_CALLS, MAX_USER_CALLS, SLOW_SECONDS, Guard
from codingbrain.toolkit.tool import READS, AnyTool, Cost, Tool, Toolset

CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", EVERYTHING)
PLENTY = Standing("user-burst", 1, 10, 9, 1.0)


class Said(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(max_length=10)] = "hello"
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    names: Annotated[list[str], Field(max_length=3)] | None = None
    colour: Annotated[str, StringConstraints(pattern="^(red|blue)$")] = "red"
    nested: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _own_rule(self) -> "Said":
        if self.text == "forbidden":
            raise ValueError("text and limit contradict each other")
        return self


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    note: str | None = None


async def echo(workspace: Workspace, said: Said) -> Answer:
    return Answer(f"{workspace.principal.user_name} said {said.text}")


def tool(handler: Callable[..., Any] = echo, **other: object) -> AnyTool:
    plain: AnyTool = Tool(
        name="echo",
        title="Echo",
        description="Says it again.",
        toolset=Toolset.CORE,
        scopes=frozenset({Scope.MEMORIES_READ}),
        arguments=Said,
        result=Answer,
        handler=handler,
        hints=READS,
    )
    return replace(plain, **other)


def workspace(principal: Principal) -> Workspace:
    """All that the tools here look at."""
    return cast("Workspace", SimpleNamespace(principal=principal))


def guard(*tools: AnyTool, **other: Any) -> Guard:  # noqa: ANN401 - whatever the guard takes
    other = {"charge": lambda *_: PLENTY, "denied": lambda *_: None, **other}
    return Guard(Catalogue(tools or (tool(),)), workspace, other.pop("metrics", Metrics()), **other)


async def fails(guarded: Guard, arguments: Mapping[str, Any] | None = None, name: str = "echo") -> CodingbrainError:
    with pytest.raises(CodingbrainError) as caught:
        await guarded.call(name, arguments, CALLER)
    return caught.value


@pytest.mark.anyio
async def test_a_call_answers_json_values_without_what_is_not_there() -> None:
    assert await guard().call("echo", {"text": "hi"}, CALLER) == {"text": "someone said hi"}
    assert await guard().call("echo", None, CALLER) == {"text": "someone said hello"}


@pytest.mark.anyio
async def test_nobody_may_call_anything() -> None:
    for name in ("echo", "unknown"):
        with pytest.raises(UnauthenticatedError):
            await guard().call(name, {}, None)


@pytest.mark.anyio
async def test_an_unknown_tool_is_named_safely() -> None:
    error = await fails(guard(), name="ec\0ho" + "x" * 500)
    assert isinstance(error, UnknownToolError)
    assert error.message == f"Unknown tool: ec?ho{'x' * 59}…"


@pytest.mark.anyio
async def test_a_missing_scope_is_named_before_the_arguments_are_looked_at() -> None:
    reader = Principal(UUID(int=1), UUID(int=2), "someone", "test", frozenset({Scope.MEMORIES_DELETE}))
    with pytest.raises(InsufficientScopeError, match="memories:read") as caught:
        await guard().call("echo", {"bogus": 1}, reader)
    assert caught.value.details == {"required": [Scope.MEMORIES_READ]}


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"text": "x" * 11}, LimitExceededError, "`text` may have at most 10 characters."),
        ({"limit": 101}, LimitExceededError, "`limit` may be at most 100."),
        ({"names": ["a"] * 4}, LimitExceededError, "`names` may have at most 3 items."),
        ({"limit": 0}, InvalidArgumentError, "`limit` must be at least 1."),
        (
            {"limit": "many"},
            InvalidArgumentError,
            "`limit`: input should be a valid integer, unable to parse string as",
        ),
        ({"limit": 101, "text": 5}, InvalidArgumentError, "`text`: input should be a valid string. `limit` may be at"),
        ({"names": [1, 2]}, InvalidArgumentError, "`names.0`: input should be a valid string. `names.1`: input"),
        (
            {"secret" * 50: 1},
            InvalidArgumentError,
            f"`{'secret' * 10}secr…` is not an argument; known are: text, limit,",
        ),
        ({"colour": "green"}, InvalidArgumentError, "`colour` must match ^(red|blue)$."),
        ({"text": "forbidden"}, InvalidArgumentError, "text and limit contradict each other."),
    ],
)
@pytest.mark.anyio
async def test_faults_name_the_field_and_the_limit(
    arguments: dict[str, Any], kind: type[CodingbrainError], words: str
) -> None:
    error = await fails(guard(), arguments)
    assert type(error) is kind
    assert error.message.startswith(words)
    assert "http" not in error.message


@pytest.mark.anyio
async def test_many_faults_are_counted_not_listed() -> None:
    error = await fails(guard(), {f"bogus{number}": 1 for number in range(200)})
    assert error.message.endswith("195 more faults are not listed.")
    assert len(error.message) < 1_000


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff"])
@pytest.mark.anyio
async def test_text_that_no_store_holds_is_refused(text: str) -> None:
    for arguments in ({"text": text}, {"names": ["fine", text]}, {"nested": {"a": {"b": [text]}}}):
        error = await fails(guard(), arguments)
        assert isinstance(error, InvalidArgumentError)
        assert error.message.startswith(f"`{next(iter(arguments))}` holds a NUL character or half of a surrogate")
    assert isinstance(await fails(guard(), {"nested": {text: 1}}), InvalidArgumentError)
    assert isinstance(await fails(guard(), {text: 1}), InvalidArgumentError)


@pytest.mark.anyio
async def test_the_number_and_the_depth_of_values_are_bounded() -> None:
    error = await fails(guard(), {"names": [1] * MAX_VALUES})
    assert isinstance(error, LimitExceededError)
    assert str(MAX_VALUES) in error.message
    deep: Any = 1
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    error = await fails(guard(), {"nested": {"a": deep}})
    assert isinstance(error, LimitExceededError)
    assert "`nested`" in error.message


@pytest.mark.anyio
async def test_what_a_tool_did_not_foresee_stays_inside() -> None:
    async def broken(_: object, __: Said) -> Answer:
        raise RuntimeError("the password is hunter2")

    out = io.StringIO()
    with open_logs("INFO", "json", out=out):
        error = await fails(guard(tool(broken)))
    assert isinstance(error, InternalError)
    assert "hunter2" not in error.message
    assert error.__cause__ is None
    (line,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert line["level"] == "ERROR"
    assert "RuntimeError" in line["exception"]


@pytest.mark.anyio
async def test_a_result_of_another_type_is_the_servers_fault() -> None:
    async def wrong(_: object, __: Said) -> object:
        return Answer(5)  # type: ignore[arg-type]

    assert isinstance(await fails(guard(tool(wrong))), InternalError)


@pytest.mark.anyio
async def test_known_failures_pass_as_they_are() -> None:
    async def missing(_: object, __: Said) -> Answer:
        raise NotFoundError("there is no such thing")

    assert (await fails(guard(tool(missing)))).message == "there is no such thing"


@pytest.mark.anyio
async def test_a_call_ends_at_its_deadline() -> None:
    async def endless(_: object, __: Said) -> Answer:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(5):
        error = await fails(guard(tool(endless, deadline=0.01)))
        assert isinstance(error, DeadlineExceededError)
        assert error.message == "echo did not finish within 0.01 s."
        writes = tool(endless, deadline=0.01, hints=type(READS)())
        assert (await fails(guard(writes))).message.endswith("It may still take effect.")


@pytest.mark.anyio
async def test_too_many_calls_at_once_are_refused_and_the_rest_go_on() -> None:
    begun, go = anyio.Event(), anyio.Event()

    async def waits(_: object, __: Said) -> Answer:
        begun.set()
        await go.wait()
        return Answer("done")

    guarded = guard(tool(waits), max_calls=1)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guarded.call, "echo", {}, CALLER)
            await begun.wait()
            assert isinstance(await fails(guarded), OverloadedError)
            go.set()
        assert await guarded.call("echo", {}, CALLER) == {"text": "done"}


class Gate:
    """Calls that run until they are let go."""

    def __init__(self) -> None:
        self.running = 0
        self._begun = anyio.Event()
        self._go = anyio.Event()

    async def waits(self, _: object, __: Said) -> Answer:
        self.running += 1
        self._begun.set()
        await self._go.wait()
        return Answer("done")

    async def reached(self, running: int) -> None:
        while self.running < running:
            await self._begun.wait()
            self._begun = anyio.Event()

    def open(self) -> None:
        self._go.set()


@pytest.mark.anyio
async def test_what_one_user_or_org_runs_does_not_stop_another() -> None:
    gate = Gate()
    guarded = guard(tool(gate.waits), tool(name="quick"))
    users = [replace(CALLER, user=UUID(int=10 + number)) for number in range(6)]
    stranger = replace(CALLER, org=UUID(int=9), user=UUID(int=99))

    async def quick(principal: Principal) -> object:
        return await guarded.call("quick", {}, principal)

    async def refused(principal: Principal) -> str:
        with pytest.raises(OverloadedError) as caught:
            await quick(principal)
        assert caught.value.retryable
        return caught.value.message

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(MAX_USER_CALLS):
                tasks.start_soon(guarded.call, "echo", {}, users[0])
            await gate.reached(MAX_USER_CALLS)
            assert (await refused(users[0])).startswith("32 of your calls are running")
            assert "32 of your" in await refused(replace(users[0], client="another", credential="another"))
            await quick(users[1])
            for user in users[1:4]:
                for _ in range(MAX_USER_CALLS):
                    tasks.start_soon(guarded.call, "echo", {}, user)
            await gate.reached(MAX_ORG_CALLS)
            assert (await refused(users[4])).startswith("128 calls of your org are running")
            assert await quick(stranger) == {"text": "someone said hello"}
            gate.open()
        for user in users:
            await quick(user)


@pytest.mark.anyio
async def test_a_place_is_given_back_however_the_call_ends() -> None:
    async def broken(_: object, __: Said) -> Answer:
        raise RuntimeError("no")

    gate = Gate()
    guarded = guard(tool(broken, name="broken"), tool(gate.waits, name="late", deadline=0.001), tool(gate.waits))
    with anyio.fail_after(10):
        for _ in range(MAX_USER_CALLS + 1):
            assert isinstance(await fails(guarded, name="broken"), InternalError)
        for _ in range(MAX_USER_CALLS + 1):
            assert isinstance(await fails(guarded, name="late"), DeadlineExceededError)
        async with anyio.create_task_group() as tasks:
            for _ in range(MAX_USER_CALLS):
                tasks.start_soon(guarded.call, "echo", {}, CALLER)
            await gate.reached(2 * MAX_USER_CALLS + 1)
            tasks.cancel_scope.cancel()
        gate.open()
        assert await guarded.call("echo", {}, CALLER) == {"text": "done"}


@pytest.mark.anyio
async def test_calls_are_counted_by_outcome() -> None:
    metrics = Metrics()
    guarded = guard(metrics=metrics)
    await guarded.call("echo", {}, CALLER)
    await fails(guarded, {"limit": 0})
    await fails(guarded, name="bogus")
    counted = {
        (sample.labels["tool"], sample.labels["outcome"]): sample.value
        for sample in next(iter(metrics.tool_calls.collect())).samples
        if sample.name.endswith("_total")
    }
    assert counted == {("echo", "ok"): 1, ("echo", "invalid_argument"): 1, ("unknown", "unknown_tool"): 1}


@pytest.mark.anyio
async def test_slow_calls_and_failures_are_logged_and_the_rest_is_not() -> None:
    times = iter([0.0, 0.1, 0.0, SLOW_SECONDS + 1, 0.0, 0.1])
    out = io.StringIO()
    guarded = guard(monotonic=lambda: next(times))
    with open_logs("INFO", "json", out=out):
        await guarded.call("echo", {}, CALLER)
        await guarded.call("echo", {}, CALLER)
        await fails(guarded, {"limit": 0})
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["echo took 3.000 s", "echo failed: invalid_argument"]
    assert {line["tool"] for line in lines} == {"echo"}
    assert context.tool.get() == ""


def test_a_catalogue_keeps_its_order_and_filters_by_toolset_and_scope() -> None:
    first = tool(name="b")
    second = tool(name="a", scopes=frozenset({Scope.MEMORIES_WRITE}))
    third = tool(name="c", toolset=Toolset.GRAPH)
    catalogue = Catalogue((first, second, third))
    core = frozenset({Toolset.CORE})
    assert [entry.tool.name for entry in catalogue.listed(core, None)] == ["b", "a"]
    assert [entry.tool.name for entry in catalogue.listed(core, frozenset({Scope.MEMORIES_READ}))] == ["b"]
    assert [entry.tool.name for entry in catalogue.listed(frozenset(Toolset), EVERYTHING)] == ["b", "a", "c"]
    assert catalogue.scopes("a") == {Scope.MEMORIES_WRITE}
    assert catalogue.scopes("nothing") == frozenset()
    assert catalogue.input_schema("nothing") is None


def test_wrong_declarations_stop_the_start() -> None:
    class Loose(BaseModel):
        pass

    with pytest.raises(ValueError, match="same name"):
        Catalogue((tool(), tool()))
    with pytest.raises(ValueError, match="not a tool name"):
        Catalogue((tool(name="Not Good"),))
    with pytest.raises(TypeError, match="forbid"):
        Catalogue((tool(arguments=Loose),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {Toolset.CORE}),
        ("code, graph", {Toolset.CORE, Toolset.CODE, Toolset.GRAPH}),
        ("nonsense", {Toolset.CORE}),
        ("all", set(Toolset)),
    ],
)
def test_toolsets_are_read_from_words(text: str, expected: set[Toolset]) -> None:
    assert parse_toolsets(text) == expected


@pytest.mark.anyio
async def test_a_call_is_charged_once_and_refused_before_it_runs() -> None:
    asked: list[tuple[Principal, str, int]] = []

    def charge(*about: Any) -> Standing:  # noqa: ANN401 - what the limiter takes
        asked.append(about)
        return replace(PLENTY, remaining=0, retry_after=0.25)

    async def never(_: object, __: Said) -> Answer:
        raise AssertionError

    guarded = guard(tool(never, cost=Cost.HEAVY), charge=charge)
    error = await fails(guarded)
    assert isinstance(error, RateLimitedError)
    assert error.retryable
    assert error.details == {"retry_after": 0.25, "policy": "user-burst", "limit": 10, "window": 1}
    assert asked == [(CALLER, "echo", 20)]
    token = charged.set(True)
    try:
        assert await guard(charge=charge).call("echo", {}, CALLER) == {"text": "someone said hello"}
    finally:
        charged.reset(token)
    assert len(asked) == 1


@pytest.mark.anyio
async def test_the_audit_log_hears_of_refusals_and_of_nothing_else() -> None:
    heard: list[tuple[Principal | None, str, str]] = []
    told = {"denied": lambda *entry: heard.append(entry)}
    poor = replace(CALLER, token_scopes=frozenset[Scope]())
    with pytest.raises(UnauthenticatedError):
        await guard(**told).call("echo", {}, None)
    with pytest.raises(CodingbrainError):
        await guard(**told).call("echo", {}, poor)
    await fails(guard(**told), name="unknown")
    await fails(guard(**told), {"text": 1})
    await guard(**told).call("echo", {"text": "hi"}, CALLER)
    assert heard == [(None, "auth", "unauthenticated"), (poor, "echo", "insufficient_scope")]
