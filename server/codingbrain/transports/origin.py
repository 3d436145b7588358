"""Requests are answered only for hosts and web origins that are this server's own or were let in by its operator.

The first keeps DNS rebinding out. Pages of other origins may read what everybody may (CORS, Fetch Standard).
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from codingbrain.toolkit.replies import refusal

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
ALLOWED: Final = (
    "Authorization",
    "DPoP",
    "Content-Type",
    "Last-Event-ID",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Session-Id",
    "X-Request-ID",
)
"""What pages may send."""

EXPOSED: Final = (
    "Mcp-Session-Id",
    "WWW-Authenticate",
    "DPoP-Nonce",
    "X-Request-ID",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
"""What pages may read."""

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_FORWARDED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})


class Origins:
    """ASGI middleware: `Host` names the loopback interface or the public origin, and `Origin`, if present, one of ours.

    `pages` are the origins whose pages may call this server and read its answers. What is at `open_paths` may be read
    by pages of every origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        public_url: str | None = None,
        pages: Iterable[str] = (),
        open_paths: Iterable[str] = (),
    ) -> None:
        listed = frozenset(_as_sent(page) for page in pages)
        self._app = app
        self._listed = CORSMiddleware(app, listed, _METHODS, ALLOWED, expose_headers=EXPOSED) if listed else app
        self._everybody = CORSMiddleware(app, ("*",), ("GET",), ("*",))
        self._open = frozenset(open_paths)
        public = frozenset({public_url.lower()} if public_url else ())
        self._netlocs = frozenset(netloc for url in public for netloc in _netlocs(url))
        self._known = listed | {_as_sent(url) for url in public}
        self._is_host = lru_cache(maxsize=256)(self._knows_host)
        self._is_origin = lru_cache(maxsize=256)(self._knows_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a foreign host with 421 and a foreign origin with 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._is_host(hosts[0]):
            await refusal(421)(scope, receive, send)
            return
        if not (origins := [value for name, value in scope["headers"] if name == b"origin"]):
            await self._app(scope, receive, send)
        elif scope["path"] in self._open:
            await self._everybody(scope, receive, send)
        elif all(self._is_origin(value) for value in origins):
            await self._listed(scope, receive, send)
        else:
            await refusal(403, "Pages of this origin may not use this server.")(scope, receive, send)

    def _knows_host(self, value: bytes) -> bool:
        host = value.decode("latin-1").lower()
        return is_loopback(host) or host in self._netlocs

    def _knows_origin(self, value: bytes) -> bool:
        origin = value.decode("latin-1").lower()
        scheme, separator, host = origin.partition("://")
        return origin in self._known or (scheme in _DEFAULT_PORTS and bool(separator) and is_loopback(host))


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine, by its peer and its `Host`, and through no proxy."""
    client, fields = scope.get("client"), dict[bytes, bytes](scope["headers"])
    if client is None or not _FORWARDED.isdisjoint(fields):
        return False
    return _is_loopback_address(client[0]) and is_loopback(fields.get(b"host", b"").decode("latin-1").lower())


def is_loopback(host: str) -> bool:
    """Whether a `Host` value, in lower case, names the loopback interface, on any port."""
    name, separator, port = host.partition("]") if host.startswith("[") else host.partition(":")
    if host.startswith("["):
        name, port = name + separator, port.removeprefix(":") if port.startswith(":") else port and "x"
    return name in LOOPBACK and (not port or (port.isascii() and port.isdigit())) and not host.endswith(":")


def _is_loopback_address(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _as_sent(url: str) -> str:
    """An origin as browsers write it: in lower case, without the port that its scheme has anyway."""
    parts = urlsplit(url.lower())
    if parts.port is not None and str(parts.port) == _DEFAULT_PORTS.get(parts.scheme):
        return f"{parts.scheme}://{parts.netloc.rpartition(':')[0]}"
    return f"{parts.scheme}://{parts.netloc}"


def _netlocs(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if parts.port is None:
        return parts.netloc, f"{parts.netloc}:{default}"
    return (parts.netloc, parts.netloc.rpartition(":")[0]) if str(parts.port) == default else (parts.netloc,)
