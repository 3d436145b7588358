"""The client's half of DPoP (RFC 9449): keys, proofs good and bad, and requests that carry them."""

import hashlib
import json
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx2
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry
from joserfc.util import json_b64encode, urlsafe_b64encode

from tests.authority import OMIT, made

BAD_REQUEST: Final = 400
"""With it a token endpoint asks for a nonce; a resource server does so with a challenge."""


def hashed(token: str) -> str:
    """`ath` for an access token."""
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Prover:
    """A client with a key of its own."""

    key: Key = field(default_factory=lambda: made("ES256"))
    algorithm: str = "ES256"

    @property
    def jkt(self) -> str:
        """What its tokens are bound to."""
        return self.key.thumbprint()

    def proof(
        self,
        method: str,
        url: str,
        token: str | None = None,
        nonce: str | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: object,
    ) -> str:
        """A proof for one request, but for what is changed; claims and header parameters of `OMIT` are left out."""
        said = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.key.as_dict(private=False), **(header or {})}
        payload: dict[str, Any] = {
            "jti": str(uuid4()),
            "htm": method,
            "htu": url,
            "iat": int(time.time()),
            "ath": OMIT if token is None else hashed(token),
            "nonce": OMIT if nonce is None else nonce,
            **claims,
        }
        return self.signed(_kept(said), json.dumps(_kept(payload)).encode())

    def signed(self, header: Mapping[str, Any], payload: bytes) -> str:
        """A compact JWS, signed with the prover's algorithm whatever the header says."""
        message = json_b64encode(dict(header)) + b"." + urlsafe_b64encode(payload)
        signer = JWSRegistry.algorithms["Ed25519" if self.algorithm == "EdDSA" else self.algorithm]
        return (message + b"." + urlsafe_b64encode(signer.sign(message, self.key))).decode()


class Dpop(httpx2.Auth):
    """Signs every request with the newest nonce of its server, and once more if the server wants another.

    Without `token` requests only prove the key, as at a token endpoint.
    """

    def __init__(self, prover: Prover, token: str | None = None) -> None:
        self.prover = prover
        self.token = token
        self.nonces: dict[str, str] = {}
        self.retries = 0

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """One request, or two."""
        response = yield self._signed(request)
        challenged = "use_dpop_nonce" in response.headers.get("www-authenticate", "")
        if self._learnt(response) and (challenged or response.status_code == BAD_REQUEST):
            self.retries += 1
            self._learnt((yield self._signed(request)))

    def _signed(self, request: httpx2.Request) -> httpx2.Request:
        url = str(request.url.copy_with(query=None, fragment=None))
        nonce = self.nonces.get(_origin(request))
        request.headers["DPoP"] = self.prover.proof(request.method, url, self.token, nonce)
        if self.token is not None:
            request.headers["Authorization"] = f"DPoP {self.token}"
        return request

    def _learnt(self, response: httpx2.Response) -> bool:
        if (nonce := response.headers.get("dpop-nonce")) is None:
            return False
        self.nonces[_origin(response.request)] = nonce
        return True


def _origin(request: httpx2.Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc.decode()}"


def _kept(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not OMIT}
