"""What a request shows to be let in."""

from dataclasses import dataclass
from enum import Enum


class Scheme(Enum):
    """How the access token was sent; the value is the name as challenges spell it."""

    BEARER = "Bearer"
    DPOP = "DPoP"


@dataclass(frozen=True, slots=True)
class Credential:
    """An access token, and the DPoP proof (RFC 9449) that came with it, if one did.

    `method` is the HTTP method, `path` the path of the request as the client sees it, without a query.
    """

    scheme: Scheme
    token: str
    proof: str | None
    method: str
    path: str
