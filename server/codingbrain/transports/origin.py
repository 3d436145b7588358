"""Requests are answered only for hosts and web origins that are this server's own, against DNS rebinding."""

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from codingbrain.toolkit.replies import refusal

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


class Origins:
    """ASGI middleware: `Host` names the loopback interface or the public origin, and so does `Origin` if present."""

    def __init__(self, app: ASGIApp, public_url: str | None = None) -> None:
        self._app = app
        self._public = frozenset({public_url.lower()} if public_url else ())
        self._netlocs = frozenset(netloc for url in self._public for netloc in _netlocs(url))
        self._is_host = lru_cache(maxsize=256)(self._knows_host)
        self._is_origin = lru_cache(maxsize=256)(self._knows_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a foreign host with 421 and a foreign origin with 403."""
        if scope["type"] == "http":
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or not self._is_host(hosts[0]):
                await refusal(421)(scope, receive, send)
                return
            if not all(self._is_origin(value) for name, value in scope["headers"] if name == b"origin"):
                await refusal(403, "Pages of this origin may not use this server.")(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _knows_host(self, value: bytes) -> bool:
        host = value.decode("latin-1").lower()
        return is_loopback(host) or host in self._netlocs

    def _knows_origin(self, value: bytes) -> bool:
        origin = value.decode("latin-1").lower()
        scheme, separator, host = origin.partition("://")
        return origin in self._public or (scheme in _DEFAULT_PORTS and bool(separator) and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a `Host` value, in lower case, names the loopback interface, on any port."""
    name, separator, port = host.partition("]") if host.startswith("[") else host.partition(":")
    if host.startswith("["):
        name, port = name + separator, port.removeprefix(":") if port.startswith(":") else port and "x"
    return name in LOOPBACK and (not port or (port.isascii() and port.isdigit())) and not host.endswith(":")


def _netlocs(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if parts.port is None:
        return parts.netloc, f"{parts.netloc}:{default}"
    return (parts.netloc, parts.netloc.rpartition(":")[0]) if str(parts.port) == default else (parts.netloc,)
