"""The authorization server of the stub identity provider: it approves whatever its rules allow, and asks nobody."""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

Sign = Callable[..., str]

LIFETIME: Final = 300


@dataclass(frozen=True, slots=True)
class _Grant:
    client: str
    redirect: str
    challenge: str
    resource: str
    scope: str


class Server:
    """Authorization codes with PKCE (RFC 7636), refreshing, and dynamic registration (RFC 7591).

    `sign` makes an access token for an audience with further claims. `granted` lists the scopes of each consent.
    """

    def __init__(self, url: str, sign: Sign) -> None:
        self.granted: list[str] = []
        self._url = url
        self._sign = sign
        self._clients: dict[str, list[str]] = {}
        self._codes: dict[str, _Grant] = {}
        self._refreshes: dict[str, _Grant] = {}

    def routes(self) -> list[Route]:
        """What it serves."""
        return [
            Route("/.well-known/oauth-authorization-server", self._metadata),
            Route("/register", self._register, methods=["POST"]),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]

    def register(self, *redirects: str) -> str:
        """Make a client known."""
        client = f"client-{len(self._clients)}"
        self._clients[client] = list(redirects)
        return client

    async def _metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self._url,
                "authorization_endpoint": f"{self._url}/authorize",
                "token_endpoint": f"{self._url}/token",
                "registration_endpoint": f"{self._url}/register",
                "jwks_uri": f"{self._url}/jwks",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def _register(self, request: Request) -> Response:
        asked = await request.json()
        client = self.register(*asked["redirect_uris"])
        return JSONResponse({**asked, "client_id": client, "token_endpoint_auth_method": "none"}, 201)

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        if asked.get("redirect_uri") not in self._clients.get(asked.get("client_id", ""), []):
            return _refused("invalid_client")
        proven = asked.get("code_challenge_method") == "S256" and asked.get("code_challenge")
        if asked.get("response_type") != "code" or not proven or not asked.get("resource"):
            return _refused("invalid_request")
        code = secrets.token_urlsafe()
        who = (asked["client_id"], asked["redirect_uri"])
        self._codes[code] = _Grant(*who, asked["code_challenge"], asked["resource"], asked.get("scope", ""))
        self.granted.append(asked.get("scope", ""))
        said = {"code": code, "state": asked.get("state", ""), "iss": self._url}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(said)}", 302)

    async def _token(self, request: Request) -> Response:
        asked = dict(parse_qsl((await request.body()).decode()))
        match asked.get("grant_type"):
            case "authorization_code":
                grant = self._codes.pop(asked.get("code", ""), None)
                holds = grant is not None and grant == _shown(asked, grant.scope)
            case "refresh_token":
                grant = self._refreshes.pop(asked.get("refresh_token", ""), None)
                holds = grant is not None and grant.client == asked.get("client_id")
            case _:
                return _refused("unsupported_grant_type")
        return self._answer(grant) if grant is not None and holds else _refused("invalid_grant")

    def _answer(self, grant: _Grant) -> Response:
        refresh = secrets.token_urlsafe()
        self._refreshes[refresh] = grant
        token = self._sign(grant.resource, scope=grant.scope, client_id=grant.client)
        said: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
        return JSONResponse({**said, "scope": grant.scope, "refresh_token": refresh})


def _shown(asked: dict[str, str], scope: str) -> _Grant:
    """The grant that a token request claims, its challenge computed from the verifier."""
    digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    who = (asked.get("client_id", ""), asked.get("redirect_uri", ""))
    return _Grant(*who, challenge, asked.get("resource", ""), scope)


def _refused(code: str) -> Response:
    return JSONResponse({"error": code}, 400)
