"""The gate around an application, over an authenticator and a limiter that answer what a test wants."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import anyio
import pytest
from mcp.server.auth.middleware.auth_context import get_access_token
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.access.credential import Credential, Scheme
from codingbrain.clock import SECOND
from codingbrain.errors import (
    ForbiddenError,
    InvalidProofError,
    NonceRequiredError,
    UnauthenticatedError,
    UnavailableError,
)
from codingbrain.identity.principal import Principal, current
from codingbrain.identity.roles import Role
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.identity.scopes import Scope as Permission
from codingbrain.limits.fields import fields
from codingbrain.limits.standing import Standing, charged
from codingbrain.transports.challenge import Challenges
from codingbrain.transports.demand import Demand, Fixed, Messages
from codingbrain.transports.gate import Gate, Policy
from codingbrain.transports.places import Places

CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", EVERYTHING, expires_at=2_000_000_000 * SECOND)
ORIGIN = "https://brain.example"
METADATA = f'resource_metadata="{ORIGIN}/.well-known/oauth-protected-resource"'
MAX_BODY = 1_000
ROOM = Standing("user-burst", 1, 100, 99, 0.5)
NOW = 1_900_000_000 * SECOND

TOOLS = {
    "read": Demand("read", frozenset({Permission.MEMORIES_READ}), 2),
    "drop": Demand("drop", frozenset({Permission.MEMORIES_READ, Permission.GDPR_DELETE}), 20),
}

Authenticate = Callable[[Credential], Awaitable[Principal]]


async def anyone(_: Credential) -> Principal:
    return CALLER


def someone(principal: Principal) -> Authenticate:
    async def authenticate(_: Credential) -> Principal:
        return principal

    return authenticate


def failing(error: Exception) -> Authenticate:
    async def authenticate(_: Credential) -> Principal:
        raise error

    return authenticate


async def still(_: str) -> Principal:
    return CALLER


def policy(authenticate: Authenticate = anyone, **parts: Any) -> Policy:  # noqa: ANN401 - any part of a policy
    usual: dict[str, Any] = {
        "authenticate": authenticate,
        "still": still,
        "nonce": lambda: "next",
        "charge": lambda *_: ROOM,
        "told": fields,
        "denied": lambda *_: None,
        "challenges": Challenges(ORIGIN, "bound", ["ES256"]),
        "places": Places(2),
        "clock": lambda: NOW,
        "max_body": MAX_BODY,
        "body_seconds": 0.05,
        "recheck_seconds": 0.01,
    }
    return Policy(**{**usual, **parts})


def gate(app: ASGIApp, using: Policy | None = None) -> Gate:
    return Gate(app, using or policy(), Messages("/mcp", TOOLS))


def scope(method: str = "GET", *, given: list[tuple[bytes, bytes]] | None = None, **headers: str) -> Scope:
    named = {"authorization": "Bearer abc", "content-type": "application/json", **headers}
    raw = (
        given
        if given is not None
        else [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    )
    return {"type": "http", "method": method, "path": "/mcp", "headers": raw}


async def ask(app: ASGIApp, asked: Scope, *body: bytes) -> list[Message]:
    """What an application sends for a request whose client then stays."""
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await anyio.sleep_forever()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    if body and asked["type"] == "http":
        asked["headers"].append((b"transfer-encoding", b"chunked"))
    with anyio.fail_after(5):
        await app(asked, receive, send)
    return sent


def told(start: Message, name: str) -> list[str]:
    """The values of a header."""
    return [value.decode() for each, value in start["headers"] if each == name.encode()]


async def inside(asked: Scope, receive: Receive, send: Send) -> None:
    """Shows what a transport sees."""
    message = await receive()
    token = get_access_token()
    caller = current.get()
    assert caller is not None
    assert token is not None
    assert token.token == ""
    assert token.expires_at == 2_000_000_000
    assert asked["user"].access_token is token
    assert charged.get()
    shown = f"{caller.user_name} {token.client_id} {message['body'].decode()}"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": shown.encode()})


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def call(tool: str) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s"}}' % tool.encode()


@pytest.mark.anyio
async def test_a_transport_sees_the_principal_and_the_whole_body() -> None:
    _, body = await ask(gate(inside), scope("POST"), PING[:10], PING[10:])
    bound = f"{CALLER.org}|{CALLER.user}|{'':43}|test"
    assert body["body"].decode() == f"someone {bound} {PING.decode()}"
    assert current.get() is None
    assert get_access_token() is None
    assert not charged.get()


@pytest.mark.parametrize(
    ("error", "status", "challenge"),
    [
        (UnauthenticatedError("no"), 401, 'error="invalid_token"'),
        (InvalidProofError("no"), 401, 'error="invalid_dpop_proof"'),
        (NonceRequiredError("no"), 401, 'error="use_dpop_nonce"'),
        (ForbiddenError("no"), 403, None),
        (UnavailableError("the record does not answer"), 503, None),
    ],
)
@pytest.mark.anyio
async def test_an_authenticator_that_refuses_or_fails(error: Exception, status: int, challenge: str | None) -> None:
    start, _ = await ask(gate(inside, policy(failing(error))), scope(authorization="DPoP abc", dpop="a.b.c"))
    assert start["status"] == status
    challenges = told(start, "www-authenticate")
    assert (challenge in challenges[0]) if challenge else not challenges
    assert told(start, "retry-after") == (["1"] if status == 503 else [])
    assert told(start, "dpop-nonce") == ["next"]


@pytest.mark.anyio
async def test_no_credential_is_told_what_to_ask_for() -> None:
    start, _ = await ask(gate(inside), scope(authorization="Basic abc"))
    assert told(start, "www-authenticate") == [
        f'DPoP realm="codingbrain", algs="ES256", scope="memories:read memories:write", {METADATA}',
        f'Bearer realm="codingbrain", scope="memories:read memories:write", {METADATA}',
    ]
    assert told(start, "cache-control") == ["no-store"]


@pytest.mark.parametrize(
    ("dpop", "schemes"), [("off", ["Bearer"]), ("bound", ["DPoP", "Bearer"]), ("required", ["DPoP"])]
)
@pytest.mark.anyio
async def test_the_policy_chooses_the_schemes(dpop: Any, schemes: list[str]) -> None:  # noqa: ANN401 - a literal
    using = policy(challenges=Challenges(ORIGIN, dpop, ["ES256"]))
    start, _ = await ask(gate(inside, using), scope(authorization=""))
    assert [value.partition(" ")[0] for value in told(start, "www-authenticate")] == schemes


def test_a_challenge_cannot_be_broken_out_of() -> None:
    (_, value), *_ = Challenges(ORIGIN, "off", []).unauthenticated("x", 'a "quoted" \\ word\r\nX: y\u2028é')
    assert b'error_description="a \\"quoted\\" \\\\ word??X: y??"' in value


@pytest.mark.anyio
async def test_a_missing_scope_is_named_with_all_that_the_call_needs() -> None:
    reader = replace(CALLER, token_scopes=frozenset({Permission.MEMORIES_READ}))
    start, _ = await ask(gate(inside, policy(someone(reader))), scope("POST"), call("drop"))
    assert start["status"] == 403
    for value in told(start, "www-authenticate"):
        assert 'error="insufficient_scope"' in value
        assert 'scope="gdpr:delete memories:read"' in value
        assert METADATA in value


@pytest.mark.anyio
async def test_what_a_role_denies_is_no_matter_of_scopes() -> None:
    denied: list[tuple[object, ...]] = []
    developer = replace(CALLER, roles=frozenset({Role.DEVELOPER}))
    using = policy(someone(developer), denied=lambda *what: denied.append(what))
    start, body = await ask(gate(inside, using), scope("POST"), call("drop"))
    assert start["status"] == 403
    assert not told(start, "www-authenticate")
    assert b'"code":"forbidden"' in body["body"]
    assert denied == [(developer, "drop", "forbidden")]


@pytest.mark.anyio
async def test_calls_are_charged_by_tool_and_the_rest_by_route() -> None:
    paid: list[tuple[object, ...]] = []

    def charge(*what: object) -> Standing:
        paid.append(what)
        return ROOM

    guarded = gate(inside, policy(charge=charge))
    for body in (call("read"), call("drop"), call("unknown"), PING):
        start, _ = await ask(guarded, scope("POST"), body)
        assert told(start, "x-ratelimit-remaining") == ["99"]
        assert told(start, "ratelimit") == ['"user-burst";r=99;t=1']
    assert paid == [(CALLER, "read", 2), (CALLER, "drop", 20), (CALLER, "POST /mcp", 1), (CALLER, "POST /mcp", 1)]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"{not json", 400),
        ({}, b"[]", 400),
        ({"content_type": "text/plain"}, PING, 415),
        ({"content_length": str(MAX_BODY + 1)}, b"", 413),
    ],
)
@pytest.mark.anyio
async def test_a_refused_body_is_charged(headers: dict[str, Any], body: bytes, status: int) -> None:
    """Until there is no room; then no more is said about it."""
    denied: list[tuple[object, ...]] = []
    paid: list[tuple[object, ...]] = []

    def charge(*what: object) -> Standing:
        paid.append(what)
        return replace(ROOM, remaining=2 - len(paid)) if len(paid) < 3 else replace(ROOM, remaining=0, retry_after=2.5)

    guarded = gate(inside, policy(charge=charge, denied=lambda *what: denied.append(what)))
    starts = [(await ask(guarded, scope("POST", **headers), body))[0] for _ in range(3)]
    assert [start["status"] for start in starts] == [status, status, 429]
    assert [told(start, "x-ratelimit-remaining") for start in starts] == [["1"], ["0"], ["0"]]
    assert told(starts[2], "connection") == told(starts[0], "connection"), "what was not read is no request"
    assert paid == [(CALLER, "POST /mcp", 1)] * 3
    assert denied == [(CALLER, "POST /mcp", "rate_limited")]


@pytest.mark.anyio
async def test_a_refused_body_of_another_application_is_charged_to_its_row() -> None:
    paid: list[tuple[object, ...]] = []

    def charge(*what: object) -> Standing:
        paid.append(what)
        return ROOM

    rows = Fixed("/x", {"PUT": Demand("PUT /x", frozenset({Permission.STATS_READ}), 20)})
    start, _ = await ask(Gate(inside, policy(charge=charge), rows), scope("PUT", content_type="text/plain"), PING)
    assert start["status"] == 415
    assert told(start, "x-ratelimit-remaining") == ["99"]
    assert paid == [(CALLER, "PUT /x", 1)]


@pytest.mark.anyio
async def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    denied: list[tuple[object, ...]] = []
    spent = replace(ROOM, remaining=0, retry_after=2.5)
    using = policy(charge=lambda *_: spent, denied=lambda *what: denied.append(what))
    start, body = await ask(gate(inside, using), scope("POST"), call("read"))
    assert start["status"] == 429
    assert told(start, "retry-after") == ["3"]
    assert told(start, "x-ratelimit-remaining") == ["0"]
    assert b'"code":"rate_limited"' in body["body"]
    assert denied == [(CALLER, "read", "rate_limited")]


@pytest.mark.parametrize(
    ("authorization", "status", "error"),
    [
        ("Bearer abc", 200, None),
        ("bEARER  abc==", 200, None),
        ("dpop abc", 200, None),
        ("Bearer", 401, None),
        ("Bearer ", 401, None),
        ("Bearerabc", 401, None),
        ("Token abc", 401, None),
        ("Bearer a b", 401, "invalid_token"),
        ("Bearer a,b", 401, "invalid_token"),
        ("Bearer a=b", 401, "invalid_token"),
        ("Bearer =", 401, "invalid_token"),
        ("Bearer é", 401, "invalid_token"),
        ('Bearer "abc"', 401, "invalid_token"),
        ("Bearer a\0b", 401, "invalid_token"),
        ("Bearer " + "x" * 16_384, 200, None),
        ("Bearer " + "x" * 16_385, 401, "invalid_token"),
    ],
)
@pytest.mark.anyio
async def test_the_form_of_a_token(authorization: str, status: int, error: str | None) -> None:
    start, *_ = await ask(gate(inside), scope("POST", authorization=authorization), PING)
    assert start["status"] == status
    for value in told(start, "www-authenticate"):
        assert ("error=" in value) == (error is not None)
        assert error is None or f'error="{error}"' in value


@pytest.mark.parametrize("proof", ["a.b.c, d.e.f", "", " ", "a b", "ü", "x" * 16_385, "a.b.c\x00"])
@pytest.mark.anyio
async def test_the_form_of_a_proof(proof: str) -> None:
    start, _ = await ask(gate(inside), scope("POST", authorization="DPoP abc", dpop=proof), PING)
    assert start["status"] == 401
    assert 'error="invalid_dpop_proof"' in told(start, "www-authenticate")[0]
    assert told(start, "dpop-nonce") == ["next"]


@pytest.mark.parametrize(("name", "status"), [(b"authorization", 400), (b"dpop", 401), (b"accept", 200)])
@pytest.mark.anyio
async def test_headers_that_may_be_sent_once(name: bytes, status: int) -> None:
    given = [(b"authorization", b"Bearer abc"), (b"content-type", b"application/json"), (name, b"a"), (name, b"b")]
    start, *_ = await ask(gate(inside), scope("POST", given=given), PING)
    assert start["status"] == status


@pytest.mark.anyio
async def test_a_credential_is_what_the_header_says() -> None:
    seen: list[Credential] = []

    async def authenticate(credential: Credential) -> Principal:
        seen.append(credential)
        return CALLER

    await ask(gate(inside, policy(authenticate)), scope("POST", authorization="DPoP abc", dpop=" a.b.c "), PING)
    assert seen == [Credential(Scheme.DPOP, "abc", "a.b.c", "POST", "/mcp")]


@pytest.mark.parametrize("more", [[], [(b"accept", b"a"), (b"accept", b"b")]])
@pytest.mark.anyio
async def test_a_transport_sees_no_secret_and_tidy_routing_headers(more: list[tuple[bytes, bytes]]) -> None:
    secrets = [(b"authorization", b"DPoP abc"), (b"dpop", b"a.b.c"), (b"cookie", b"x=y")]
    kind = (b"content-type", b"application/json")
    asked = scope("POST", given=[*secrets, kind, (b"mcp-name", b" read \t"), *more])
    await ask(gate(inside), asked, PING)
    assert asked["headers"] == [kind, (b"mcp-name", b"read"), *more, (b"transfer-encoding", b"chunked")]


@pytest.mark.anyio
async def test_an_announced_body_over_the_cap_is_not_read() -> None:
    start, _ = await ask(gate(inside), scope("POST", content_length=str(MAX_BODY + 1)))
    assert start["status"] == 413
    assert told(start, "connection") == ["close"]


@pytest.mark.anyio
async def test_an_unannounced_body_over_the_cap_is_not_kept() -> None:
    start, _ = await ask(gate(inside), scope("POST"), b"x" * MAX_BODY, b"x")
    assert start["status"] == 413


@pytest.mark.anyio
async def test_a_client_that_leaves_within_its_body() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await gate(inside)(scope("POST"), receive, send)
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("parts", [[], [b"{"]])
@pytest.mark.anyio
async def test_a_body_that_does_not_come_is_not_waited_for(parts: list[bytes]) -> None:
    async def receive() -> Message:
        if not parts:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": parts.pop(), "more_body": True}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with anyio.fail_after(5):
        await gate(inside)(scope("POST"), receive, send)
    assert sent[0]["status"] == 408
    assert told(sent[0], "connection") == ["close"]


@pytest.mark.anyio
async def test_a_body_that_comes_in_time_is_waited_for() -> None:
    arrived = anyio.Event()
    sent: list[Message] = []

    async def receive() -> Message:
        await arrived.wait()
        return {"type": "http.request", "body": PING, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate(inside, policy(body_seconds=5)), scope("POST"), receive, send)
        await anyio.wait_all_tasks_blocked()
        arrived.set()
    assert sent[0]["status"] == 200


@pytest.mark.anyio
async def test_a_request_can_be_cancelled_while_its_body_is_awaited() -> None:
    left: list[bool] = []

    async def receive() -> Message:
        try:
            await anyio.sleep_forever()
        finally:
            left.append(True)
        raise AssertionError

    with anyio.move_on_after(0.01):
        await gate(inside, policy(body_seconds=5))(scope("POST"), receive, anyone)  # type: ignore[arg-type]
    assert left == [True]


@pytest.mark.anyio
async def test_websockets_are_closed() -> None:
    assert await ask(gate(inside), {"type": "websocket"}) == [{"type": "websocket.close"}]


@pytest.mark.anyio
async def test_a_stranger_passes_where_the_table_says_so() -> None:
    async def shown(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(current.get()).encode()})

    rows = Fixed("/x", {"GET": Demand("GET /x", frozenset({Permission.STATS_READ}))})
    opened = Gate(shown, policy(), rows, strangers=lambda _: True)
    _, body = await ask(opened, scope(authorization=""))
    assert body["body"] == b"None"
    poor = replace(CALLER, token_scopes=frozenset[Permission]())
    start, _ = await ask(Gate(shown, policy(someone(poor)), rows, strangers=lambda _: True), scope("HEAD"))
    assert start["status"] == 403
