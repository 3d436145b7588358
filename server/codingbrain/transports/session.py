"""Whom a session belongs to, in the SDK's terms: it finds a session only for the principal that opened it."""

from functools import lru_cache
from typing import Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from codingbrain.clock import SECOND
from codingbrain.identity.principal import Principal

_USER: Final = 36 + 1 + 36
"""Characters of an org and a user."""

_THUMBPRINT: Final = 43
"""Characters of a SHA-256 in base64url."""


@lru_cache(maxsize=1024)
def bound(principal: Principal) -> AuthenticatedUser:
    """The SDK compares client, issuer and subject; so org, user and key stand in the client's name.

    What has a fixed length comes first, so that no client can be named like another principal. The token itself goes
    no further.
    """
    claims: dict[str, Any] | None = None if principal.issuer is None else {"iss": principal.issuer}
    return AuthenticatedUser(
        AccessToken(
            token="",
            client_id=f"{principal.org}|{principal.user}|{principal.jkt or '':{_THUMBPRINT}}|{principal.client}",
            scopes=sorted(principal.scopes),
            expires_at=None if principal.expires_at is None else principal.expires_at // SECOND,
            subject=str(principal.user),
            claims=claims,
        )
    )


def holder(client_id: str) -> str:
    """The org and user of a bound session."""
    return client_id[:_USER]
