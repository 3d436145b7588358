"""A stub identity provider on a loopback port: it signs access tokens, well or badly, and publishes its keys."""

import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final
from uuid import uuid4

import anyio
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import json_b64encode, urlsafe_b64encode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from codingbrain.host.web import bind
from codingbrain.identity.scopes import EVERYDAY
from tests import oauth

OMIT: Final = ...
"""As the value of a claim or header parameter: leave it out."""

WAIT: Final = 30.0
LIFETIME: Final = 300
ALGORITHMS: Final = ("ES256", "EdDSA", "RS256")

_NAMES: Final = {"EdDSA": "Ed25519"}


@cache
def rsa() -> RSAKey:
    """The RSA key of all providers; making one takes a while."""
    return RSAKey.generate_key(2_048)


def made(algorithm: str) -> Key:
    """A new key for an algorithm; RSA keys are not new."""
    match algorithm:
        case "ES256":
            return ECKey.generate_key("P-256")
        case "EdDSA" | "Ed25519":
            return OKPKey.generate_key("Ed25519")
        case _:
            return rsa()


def encode(header: Mapping[str, Any], payload: Mapping[str, Any] | bytes, key: Key | bytes | None) -> str:
    """A compact JWS with whatever header and payload; with `alg` of `none`, or without a key, it is not signed.

    Bytes are the secret of HS256.
    """
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = json_b64encode(dict(header)) + b"." + urlsafe_b64encode(body)
    algorithm = header.get("alg")
    if key is None or algorithm == "none":
        return (signed + b".").decode()
    if isinstance(key, bytes):
        return (signed + b"." + urlsafe_b64encode(hmac.digest(key, signed, "sha256"))).decode()
    signer = JWSRegistry.algorithms[_NAMES.get(str(algorithm), str(algorithm))]
    return (signed + b"." + urlsafe_b64encode(signer.sign(signed, key))).decode()


def published(key: Key, **members: object) -> dict[str, Any]:
    """A key as a JWKS lists it."""
    listed = {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig", **members}
    return {name: value for name, value in listed.items() if value is not OMIT}


class Authority:
    """The provider. Its attributes may be changed while it serves.

    `url` is its issuer identifier. `keys` are what it signs with, by algorithm; `jwks` is what it publishes instead
    of them, if it is set. `answer` replaces the whole answer of the JWKS URL, `fetches` counts the requests to it.
    """

    def __init__(self, url: str, portal: BlockingPortal) -> None:
        self.url = url
        self.jwks_url = f"{url}/jwks"
        self.keys: dict[str, Key] = {algorithm: made(algorithm) for algorithm in ALGORITHMS}
        self.jwks: list[dict[str, Any]] | None = None
        self.answer: Callable[[], Response] | None = None
        self.fetches = 0
        self.server = oauth.Server(url, self.token)
        self._portal = portal
        self._stalled: anyio.Event | None = None

    def issuer(self, **settings: object) -> dict[str, Any]:
        """The entry in `issuers` that trusts it."""
        return {"url": self.url, "jwks_url": self.jwks_url, "org": "local", "new_users": "developer", **settings}

    def token(
        self,
        audience: object,
        *,
        key: Key | bytes | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: object,
    ) -> str:
        """An access token that is good but for what is changed; claims and header parameters of `OMIT` are left out.

        `alg` chooses the key, unless one is given.
        """
        said: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", **(header or {})}
        signer = key or self.keys.get("EdDSA" if said["alg"] == "Ed25519" else said["alg"])
        if signer is not None and not isinstance(signer, bytes):
            said = {"kid": signer.thumbprint(), **said}
        now = int(time.time())
        payload = {
            "iss": self.url,
            "aud": audience,
            "sub": "alice",
            "client_id": "stub",
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + LIFETIME,
            "scope": " ".join(sorted(EVERYDAY)),
            **claims,
        }
        return encode(_kept(said), _kept(payload), signer)

    def rotate(self, algorithm: str = "ES256") -> Key:
        """Sign with a new key, and publish the former one no more; it is returned."""
        former, self.keys[algorithm] = self.keys[algorithm], made(algorithm)
        return former

    def down(self) -> None:
        """Answer requests for the keys with 503 from now on, whatever else the answer says."""
        self.answer = lambda: JSONResponse({"keys": self._listed()}, 503)

    def redirecting(self, to: str) -> None:
        """Send those who ask for the keys elsewhere."""
        self.answer = lambda: RedirectResponse(to)

    def oversized(self, size: int = 1_000_000) -> None:
        """Publish the keys, and a lot of nothing."""
        self.answer = lambda: JSONResponse({"keys": self._listed(), "padding": "x" * size})

    def up(self) -> None:
        """Answer as ever."""
        self.answer = None

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Answer no request for the keys until the block ends."""
        self._stalled = self._portal.call(anyio.Event)
        try:
            yield
        finally:
            stalled, self._stalled = self._stalled, None
            self._portal.call(stalled.set)

    def _listed(self) -> list[dict[str, Any]]:
        return self.jwks if self.jwks is not None else [published(key) for key in self.keys.values()]

    async def publish(self, _: Request) -> Response:
        """The JWKS URL."""
        self.fetches += 1
        if (stalled := self._stalled) is not None:
            with anyio.move_on_after(WAIT):
                await stalled.wait()
        return self.answer() if self.answer else JSONResponse({"keys": self._listed()})


def _kept(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not OMIT}


@contextmanager
def authority() -> Iterator[Authority]:
    """A provider that serves until the block ends."""
    with start_blocking_portal() as portal, bind("127.0.0.1", 0) as bound:
        found = Authority(f"http://127.0.0.1:{bound.getsockname()[1]}", portal)
        app = Starlette(routes=[Route("/jwks", found.publish), *found.server.routes()])
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
        )
        ended = portal.start_task_soon(server.serve, [bound])
        try:
            yield found
        finally:
            server.should_exit = True
            ended.result(WAIT)
