"""Whatever is sent, the gate answers it, and nothing passes without the one good credential or beyond its scopes."""

import json
from collections.abc import Iterable
from uuid import UUID

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.access.credential import Credential
from codingbrain.errors import UnauthenticatedError
from codingbrain.identity.principal import Principal, current
from codingbrain.identity.scopes import Scope as Permission
from codingbrain.limits.fields import fields
from codingbrain.limits.standing import Standing
from codingbrain.telemetry.metrics import Metrics
from codingbrain.telemetry.requests import Requests
from codingbrain.transports.challenge import Challenges
from codingbrain.transports.demand import Demand, Messages
from codingbrain.transports.gate import Gate, Policy
from codingbrain.transports.headers import Headers
from codingbrain.transports.origin import Origins
from codingbrain.transports.places import Places

GOOD = b"good.token"
CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", frozenset({Permission.MEMORIES_READ}))
TOOLS = {
    "read": Demand("read", frozenset({Permission.MEMORIES_READ})),
    "drop": Demand("drop", frozenset({Permission.MEMORIES_DELETE})),
}


async def authenticate(credential: Credential) -> Principal:
    if credential.token.encode() != GOOD:
        raise UnauthenticatedError("no")
    return CALLER


async def still(_: str) -> Principal:
    return CALLER


class Inside:
    """What stands behind the gate; it keeps what reached it."""

    def __init__(self) -> None:
        self.reached: list[tuple[Principal | None, Scope, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        self.reached.append((current.get(), scope, message.get("body", b"")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def application(inside: ASGIApp) -> ASGIApp:
    policy = Policy(
        authenticate=authenticate,
        still=still,
        nonce=lambda: "nonce",
        charge=lambda *_: Standing("user-burst", 1, 100, 99, 0.5),
        told=fields,
        denied=lambda *_: None,
        challenges=Challenges("https://brain.example", "bound", ["ES256"]),
        places=Places(100),
        clock=lambda: 0,
        max_body=2_000,
        body_seconds=1.0,
    )
    routes = [Route("/mcp", Gate(inside, policy, Messages("/mcp", TOOLS)))]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return Requests(Headers(Origins(app, "https://brain.example"), tls=True), Metrics(), routes)


def answered(app: ASGIApp, scope: Scope, parts: Iterable[bytes]) -> int:
    sent: list[Message] = []
    waiting: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        with anyio.fail_after(10):
            await app(scope, receive, send)

    anyio.run(run)
    assert sent[0]["type"] == "http.response.start"
    assert not sent[-1].get("more_body", False)
    return sent[0]["status"]


CREDENTIALS = st.one_of(
    st.sampled_from(
        [
            b"Bearer good.token",
            b"bearer  good.token ",
            b"Bearer good.token,good.token",
            b"Bearer good.token\x00",
            b"Bearer good.token good.token",
            b"Bearer\tgood.token",
            b" Bearer good.token",
            b"DPoP good.token",
            b"Basic good.token",
            b"good.token",
            b"Bearer " + b"x" * 70_000,
        ]
    ),
    st.binary(max_size=30),
    st.binary(max_size=20).map(lambda rest: b"Bearer " + rest),
)
KNOWN = st.sampled_from(
    [b"authorization", b"dpop", b"content-type", b"content-length", b"transfer-encoding", b"mcp-session-id", b"origin"]
)
VALUES = st.one_of(CREDENTIALS, st.sampled_from([b"application/json", b"0", b"-1", b"9" * 5_000, b"1e3", b"chunked"]))
HEADERS = st.lists(st.tuples(st.one_of(KNOWN, st.binary(min_size=1, max_size=8)), VALUES), max_size=6)
CALLS = st.sampled_from(
    [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "drop"}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read"}},
        {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "drop"}},
        {"jsonrpc": "2.0", "id": "a", "method": "tools/list"},
        [{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "drop"}}],
    ]
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda call, coding: json.dumps(call).encode(coding), CALLS, st.sampled_from(["utf-8", "utf-16", "utf-8-sig"])
    ),
    st.builds(
        lambda names: (
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{%s}}'
            % b",".join(b'"name":"%s"' % name for name in names)
        ),
        st.lists(
            st.sampled_from([b"drop", b"read", b"dr\\u006fp", b"drop\\u0000", b"\\ud800"]), min_size=1, max_size=3
        ),
    ),
    st.just(b"[" * 1_500),
)
PATHS = st.sampled_from(["/mcp", "//mcp", "/mcp/", "/MCP", "/mcp\0", "/x/../mcp", "/", ""])
METHODS = st.sampled_from(["POST", "POST", "GET", "DELETE", "HEAD", "OPTIONS", "PUT", "post", "X" * 500])


@settings(max_examples=250, deadline=None)
@given(METHODS, PATHS, HEADERS, st.lists(BODIES, max_size=2))
@example("POST", "/mcp", [(b"authorization", b"Bearer good.token"), (b"content-type", b"application/json")], [b"{"])
def test_whatever_is_sent(method: str, path: str, headers: list[tuple[bytes, bytes]], parts: list[bytes]) -> None:
    inside = Inside()
    raw = [(b"host", b"localhost"), *headers]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "root_path": "", "headers": raw}
    assert answered(application(inside), scope, parts) < 500
    for principal, _, _ in inside.reached:
        shown = [value for name, value in headers if name == b"authorization"]
        assert principal is CALLER
        assert path == "/mcp"
        assert len(shown) == 1
        assert shown[0].split(b" ", 1)[1].strip() == GOOD


@settings(max_examples=150, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=2), st.sampled_from([b"application/json", b"APPLICATION/JSON; charset=x"]))
def test_no_body_calls_what_the_scopes_do_not_allow(parts: list[bytes], kind: bytes) -> None:
    inside = Inside()
    raw = [(b"host", b"localhost"), (b"authorization", b"Bearer good.token"), (b"content-type", kind)]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "root_path": "", "headers": raw}
    status = answered(application(inside), scope, parts)
    for _, _, body in inside.reached:
        message = json.loads(body)
        assert not isinstance(message, list)
        assert message.get("id") is None or (message.get("params") or {}).get("name") != "drop"
    assert status in {200, 400, 403, 413}
