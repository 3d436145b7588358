"""A client program for the official suite: it gets a token bound to its key, and proves that key at every request.

The suite appends the server's URL to the command; the exit code is 0 if the tools could be listed and called.
"""

import hashlib
import re
import secrets
import sys
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import httpx2
from joserfc.util import urlsafe_b64encode
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.proof import Dpop, Prover

WAIT: Final = 15.0
CALLBACK: Final = "http://127.0.0.1:1/callback"
"""Nobody listens there: the redirect is read, not followed."""

KNOCK: Final = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
_METADATA: Final = re.compile(r'resource_metadata="([^"]+)"')


async def token(url: str, prover: Prover) -> str:
    """A token for the server at `url`: RFC 9728, 8414, 7591, and an authorization code with PKCE (RFC 7636)."""
    async with httpx2.AsyncClient(timeout=WAIT) as http:
        challenge = (await http.post(url, json=KNOCK)).headers["www-authenticate"]
        resource = (await http.get(_METADATA.findall(challenge)[0])).json()
        issuer = resource["authorization_servers"][0].rstrip("/")
        server = (await http.get(f"{issuer}/.well-known/oauth-authorization-server")).raise_for_status().json()
        client = {
            "redirect_uris": [CALLBACK],
            "client_name": "codingbrain conformance",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        registered = (await http.post(server["registration_endpoint"], json=client)).raise_for_status().json()
        asked = {"client_id": registered["client_id"], "redirect_uri": CALLBACK, "resource": resource["resource"]}
        verifier = secrets.token_urlsafe(48)
        code = await _code(http, server, asked, verifier)
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, **asked}
        answer = (await http.post(server["token_endpoint"], data=form, auth=Dpop(prover))).raise_for_status().json()
        assert answer["token_type"].lower() == "dpop"
        return answer["access_token"]


async def _code(http: httpx2.AsyncClient, server: Mapping[str, str], asked: Mapping[str, str], verifier: str) -> str:
    state = secrets.token_urlsafe()
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    query = {
        "response_type": "code",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **asked,
    }
    answer = await http.get(f"{server['authorization_endpoint']}?{urlencode(query)}")
    said = parse_qs(urlsplit(answer.headers["location"]).query)
    assert said["state"] == [state]
    assert said["iss"] == [server["issuer"]]
    return said["code"][0]


async def main(url: str) -> None:
    """Get in, and use what is there."""
    prover = Prover()
    auth = Dpop(prover, await token(url, prover))
    async with (
        httpx2.AsyncClient(timeout=WAIT, auth=auth) as http,
        Client(streamable_http_client(url, http_client=http), read_timeout_seconds=WAIT) as client,
    ):
        for tool in (await client.list_tools()).tools:
            await client.call_tool(tool.name, {})


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
