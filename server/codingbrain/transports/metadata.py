"""What clients must know to get a token: the protected-resource metadata of RFC 9728."""

import json
from collections.abc import Iterable
from typing import Any, Final, Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from codingbrain.identity.scopes import BASE
from codingbrain.toolkit.replies import refusal

PATH: Final = "/.well-known/oauth-protected-resource"

_METHODS: Final = frozenset({"GET", "HEAD"})
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Cache-Control": "public, max-age=3600",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def document(
    origin: str, issuers: Iterable[str], dpop: Literal["off", "bound", "required"], algorithms: Iterable[str]
) -> dict[str, Any]:
    """The resource is the whole origin, so that one token serves every path. Issuers are compared as exact strings."""
    said: dict[str, Any] = {
        "resource": origin,
        "resource_name": "codingbrain",
        "authorization_servers": list(issuers),
        "scopes_supported": sorted(BASE),
        "bearer_methods_supported": ["header"],
        "dpop_bound_access_tokens_required": dpop == "required",
        "dpop_signing_alg_values_supported": [] if dpop == "off" else list(algorithms),
    }
    return {name: value for name, value in said.items() if value != []}


class Metadata:
    """The ASGI application that shows a document to everybody, pages of any origin included."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._body = json.dumps(told, separators=(",", ":")).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] in _METHODS:
            await Response(self._body, headers=_HEADERS)(scope, receive, send)
        else:
            await refusal(405, headers={"Allow": "GET, HEAD"})(scope, receive, send)
