"""What every answer carries: the headers that keep browsers safe, and on a refusal the one error body."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.toolkit.replies import refusal

_FIRST_ERROR: Final = 400
_BODY: Final = frozenset({b"content-type", b"content-length", b"content-encoding", b"transfer-encoding"})
_SECURITY: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class Headers:
    """ASGI middleware; a header that the application sets itself is left alone. `tls` says how clients reach it."""

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self._app = app
        self._added = [*_SECURITY, _TRANSPORT] if tls else [*_SECURITY]
        self._names = frozenset(name for name, _ in self._added)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        replaced = False

        async def outgoing(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                replaced = message["status"] >= _FIRST_ERROR and _is_bare(message)
                added = self._added
                if not self._names.isdisjoint(names := [name for name, _ in headers]):
                    added = [each for each in added if each[0] not in names]
                message["headers"] = [*headers, *added]
                if replaced:
                    await _replace(message, send)
                    return
            elif replaced:
                return
            await send(message)

        await self._app(scope, receive, outgoing)


def _is_bare(message: Message) -> bool:
    kinds = [value for name, value in message.get("headers", ()) if name.lower() == b"content-type"]
    return not any(kind.startswith(b"application/json") for kind in kinds)


async def _replace(message: Message, send: Send) -> None:
    reply = refusal(message["status"])
    kept = [(name, value) for name, value in message["headers"] if name.lower() not in _BODY]
    await send({**message, "headers": [*kept, *reply.raw_headers]})
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
