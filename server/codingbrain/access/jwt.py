"""Whether an access token is good: its form, its issuer's signature, and its claims (RFC 7515, 7519, 8725, 9068)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import anyio
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode
from loguru import logger

from codingbrain.access.jwks import Jwks, canonical
from codingbrain.access.keyring import ALGORITHM, Keyring
from codingbrain.clock import Clock, Micros
from codingbrain.errors import UnauthenticatedError
from codingbrain.identity.claims import MAX_TEXT, ClaimError, Claims, Trust, check_type, read
from codingbrain.settings import Issuer

REFUSED: Final = "the access token is not valid"
"""All that a bearer is told of a token that is not good, whatever is wrong with it."""

MAX_TOKEN: Final = 8_192
"""Characters of a token."""

_SEGMENTS: Final = 3
_VERIFIERS: Final = {
    "ES256": JWSRegistry.algorithms["ES256"],
    "EdDSA": JWSRegistry.algorithms["Ed25519"],
    "RS256": JWSRegistry.algorithms["RS256"],
}


@dataclass(frozen=True, slots=True)
class Trusted:
    """An identity provider and its keys."""

    issuer: Issuer
    keys: Jwks


@dataclass(frozen=True, slots=True)
class _Opened:
    """A token in its parts; nothing of it is believed yet."""

    algorithm: str
    kid: str | None
    payload: Mapping[str, Any]
    signed: bytes
    signature: bytes


class Verifier:
    """Verifies the tokens of this install and of the identity providers that it trusts.

    `origin` is this server's resource identifier. The issuer that a token names is looked up, and only its keys are
    tried; a token never says where its key is to be found. `leeway` is how far the issuers' clocks may be off.
    """

    def __init__(self, keyring: Keyring, origin: str, issuers: Iterable[Trusted], clock: Clock, leeway: Micros) -> None:
        self._keyring = keyring
        self._clock = clock
        # With and without the slash it is the same URI (RFC 3986, section 6.2.3), and clients send both.
        audiences = frozenset({origin, f"{origin}/"})
        self._local = Trust(keyring.install, audiences | {keyring.install}, leeway, local=True)
        self._trusted = {each.issuer.url: (_trust(each.issuer, audiences, leeway), each) for each in issuers}

    @property
    def epoch(self) -> int:
        """Changes when any key does: then every signature must be verified again."""
        return self._keyring.epoch + sum(each.keys.epoch for _, each in self._trusted.values())

    async def run(self) -> None:
        """Fetch the keys of the identity providers, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for _, each in self._trusted.values():
                tasks.start_soon(each.keys.run)

    async def verify(self, token: str) -> Claims:
        """What a good token says.

        Raises:
            UnauthenticatedError: it is not good; why is not said.
            UnavailableError: its issuer cannot be asked for its keys.
        """
        try:
            opened = _open(token)
            trust, key = await self._key(opened)
            _check_signature(opened, key)
            return read(opened.payload, trust, self._clock())
        except (ClaimError, UnauthenticatedError) as error:
            logger.debug("an access token was refused: {}", error)
        except (JoseError, ValueError, RecursionError) as error:
            logger.debug("an access token was refused: {}", type(error).__name__)
        raise UnauthenticatedError(REFUSED)

    async def _key(self, opened: _Opened) -> tuple[Trust, Key]:
        issuer = opened.payload.get("iss")
        if issuer == self._local.issuer:
            found = None if opened.kid is None or opened.algorithm != ALGORITHM else self._keyring.public(opened.kid)
            if found is None:
                raise ClaimError("no key of this install")
            return self._local, found
        trust, trusted = self._trusted.get(issuer, (None, None)) if isinstance(issuer, str) else (None, None)
        if trust is None or trusted is None:
            raise ClaimError("iss is nobody who is trusted")
        return trust, await trusted.keys.key(opened.kid, opened.algorithm)


def _trust(issuer: Issuer, audiences: frozenset[str], leeway: Micros) -> Trust:
    return Trust(
        issuer.url,
        audiences,
        leeway,
        issuer.org,
        issuer.org_claim,
        frozenset(issuer.orgs),
        issuer.roles_claim,
        issuer.grants_claim,
    )


def _open(token: str) -> _Opened:
    """Take a token apart. Header parameters that point to keys (`jwk`, `jku`, `x5u`, `x5c`) are not read."""
    if len(token) > MAX_TOKEN:
        raise ClaimError("too long")
    segments = token.encode("ascii").split(b".")
    if len(segments) != _SEGMENTS:
        raise ClaimError("not three segments")
    header, payload = _object(segments[0]), _object(segments[1])
    if "crit" in header:
        raise ClaimError("crit names what is not understood")
    check_type(header)
    algorithm, kid = canonical(header.get("alg")), header.get("kid")
    if algorithm is None or algorithm not in _VERIFIERS:
        raise ClaimError("alg is not taken")
    if "kid" in header and (not isinstance(kid, str) or not 0 < len(kid) <= MAX_TEXT):
        raise ClaimError("kid is no short text")
    return _Opened(algorithm, kid, payload, b".".join(segments[:2]), urlsafe_b64decode(segments[2]))


def _object(segment: bytes) -> dict[str, Any]:
    value = json.loads(urlsafe_b64decode(segment).decode())
    if not isinstance(value, dict):
        raise ClaimError("a segment is no object")
    return cast("dict[str, Any]", value)


def _check_signature(opened: _Opened, key: Key) -> None:
    verifier = _VERIFIERS[opened.algorithm]
    verifier.check_key(key)
    if not verifier.verify(opened.signed, opened.signature, key):
        raise ClaimError("the signature does not hold")
