"""A client whose token lacks a tool's scope is told what is needed, asks for it, and ends with the call done."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.auth import OAuthClientProvider
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.authority import Authority, authority
from tests.journeys.served import WAIT, Era, Served, Serving, Transport

pytestmark = pytest.mark.anyio

REDIRECT: Final = "http://127.0.0.1:1/callback"


@pytest.fixture
def issuer() -> Iterator[Authority]:
    with authority() as provider:
        yield provider


class Person:
    """The SDK's OAuth client, its storage, and somebody with a browser who approves.

    With a `scope` they came before: the client is registered, and has a token with that scope.
    """

    def __init__(
        self,
        served: Served,
        issuer: Authority,
        transport: Transport,
        scope: str = "",
        **claims: Any,  # noqa: ANN401 - of any type
    ) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None
        self.consents = 0
        self._landed = ""
        redirects = [AnyUrl(REDIRECT)]
        if scope:
            known = issuer.server.register(REDIRECT)
            self.client = OAuthClientInformationFull(client_id=known, redirect_uris=redirects, issuer=issuer.url)
            token = issuer.token(served.origin, scope=scope, client_id=known, **claims)
            self.tokens = OAuthToken(access_token=token, scope=scope)
        metadata = OAuthClientMetadata(client_name="editor", redirect_uris=redirects)
        door = f"{served.origin}/{'mcp' if transport == 'http' else 'sse'}"
        self.auth = OAuthClientProvider(door, metadata, self, self._visit, self._return)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    async def _visit(self, url: str) -> None:
        self.consents += 1
        async with httpx2.AsyncClient(timeout=WAIT) as browser:
            self._landed = (await browser.get(url)).headers["location"]

    async def _return(self) -> AuthorizationCodeResult:
        said = parse_qs(urlsplit(self._landed).query)
        return AuthorizationCodeResult(code=said["code"][0], state=said["state"][0], iss=said["iss"][0])


@asynccontextmanager
async def connected(served: Served, transport: Transport, era: Era, person: Person) -> AsyncIterator[Client]:
    with anyio.fail_after(WAIT):
        async with httpx2.AsyncClient(timeout=WAIT, auth=person.auth) as http:
            match transport:
                case "http":
                    path = streamable_http_client(f"{served.origin}/mcp", http_client=http)
                case "sse":
                    path = sse_client(f"{served.origin}/sse", auth=person.auth)
            async with Client(path, mode=era, read_timeout_seconds=WAIT) as client:
                yield client


BOTH: Final[list[Transport]] = ["http", "sse"]
ERAS: Final[list[Literal["auto", "legacy"]]] = ["auto", "legacy"]


@pytest.mark.proves("ID-4")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", BOTH)
async def test_a_call_that_needs_more_ends_done(
    serving: Serving, issuer: Authority, transport: Transport, era: Era
) -> None:
    with serving(issuers=[issuer.issuer()]) as served:
        person = Person(served, issuer, transport, "memories:read")
        async with connected(served, transport, era, person) as client:
            assert not (await client.call_tool("list_memories", {})).is_error
            assert person.consents == 0
            assert not (await client.call_tool("add_memories", {"text": "stepped up"})).is_error
            assert person.consents == 1
            found = await client.call_tool("list_memories", {})
            assert "stepped up" in str(found.structured_content)
            assert person.consents == 1
        # What was granted before is kept, and nothing that was not needed is asked for.
        assert [set(scope.split()) for scope in issuer.server.granted] == [{"memories:read", "memories:write"}]


@pytest.mark.proves("ID-4")
@pytest.mark.parametrize("transport", BOTH)
async def test_a_client_without_any_token_finds_its_way(
    serving: Serving, issuer: Authority, transport: Transport
) -> None:
    with serving(issuers=[issuer.issuer()]) as served:
        person = Person(served, issuer, transport)
        async with connected(served, transport, "auto", person) as client:
            assert not (await client.call_tool("add_memories", {"text": "from nothing"})).is_error
        assert [set(scope.split()) for scope in issuer.server.granted] == [{"memories:read", "memories:write"}]


@pytest.mark.proves("ID-4")
async def test_what_no_credential_could_give_is_not_asked_for(serving: Serving, issuer: Authority) -> None:
    with serving(issuers=[issuer.issuer(roles_claim="roles")]) as served:
        person = Person(served, issuer, "http", "memories:read", roles=["reader"])
        async with connected(served, "http", "auto", person) as client:
            assert not (await client.call_tool("list_memories", {})).is_error
            with pytest.raises(MCPError):
                await client.call_tool("add_memories", {"text": "x"})
        assert person.consents == 0
        assert issuer.server.granted == []
