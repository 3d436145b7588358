"""DPoP (RFC 9449): whether the sender of a bound access token holds the key to which it is bound, now and here."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from codingbrain.access.credential import Credential
from codingbrain.access.htu import Place
from codingbrain.access.jwk import KINDS, Key, PrivateKeyError, PublicKey, public
from codingbrain.access.nonce import Nonces
from codingbrain.access.replay import Replays
from codingbrain.clock import SECOND, Clock, Micros
from codingbrain.errors import InvalidProofError, NonceRequiredError, UnauthenticatedError

WINDOW: Final[Micros] = 300 * SECOND
"""How far `iat` may be off, in either direction."""

MAX_PROOF: Final = 8_192
MAX_JTI: Final = 128


class _Signatures(Protocol):
    """An algorithm of joserfc."""

    def verify(self, msg: bytes, sig: bytes, key: Any) -> bool: ...  # noqa: ANN401 - joserfc says so


_SIGNATURES: Final[dict[str, tuple[str, _Signatures]]] = {
    "ES256": ("ES256", JWSRegistry.algorithms["ES256"]),
    "Ed25519": ("EdDSA", JWSRegistry.algorithms["Ed25519"]),
    "EdDSA": ("EdDSA", JWSRegistry.algorithms["Ed25519"]),  # its name before RFC 9864
    "RS256": ("RS256", JWSRegistry.algorithms["RS256"]),
}
ALGORITHMS: Final = tuple(_SIGNATURES)
"""What proofs may be signed with."""

_KEYS: Final = 1_024
"""Clients whose keys are kept ready."""


@dataclass(frozen=True, slots=True)
class _Signer:
    """What the header of a proof says."""

    signatures: _Signatures
    key: Key
    thumbprint: str


class Proofs:
    """Checks the proofs that come to the server at `origin`."""

    def __init__(self, origin: str, replays: Replays, nonces: Nonces, clock: Clock) -> None:
        self._place = Place(origin)
        self._replays = replays
        self._nonces = nonces
        self._clock = clock

    def nonce(self) -> str:
        """What the next proof must contain."""
        return self._nonces.nonce()

    async def check(self, credential: Credential, jkt: str) -> None:
        """Everything of section 4.3, for a token bound to the key with this thumbprint; no proof passes twice.

        Raises:
            InvalidProofError: there is no proof, or not of this request with this token at this time.
            NonceRequiredError: the proof is good, but does not contain a nonce that counts.
            UnauthenticatedError: the proof is another key's, so the token is not its sender's.
            UnavailableError: it cannot be said whether the proof was used before.
        """
        try:
            claims = _signed(credential.proof, jkt)
            self._match(claims, credential)
            jti = _identifier(claims)
        except (JoseError, ValueError, RecursionError):
            raise InvalidProofError("The DPoP proof is malformed.") from None
        if (generation := self._nonces.generation(claims.get("nonce"))) is None:
            raise NonceRequiredError("The DPoP proof needs the nonce of the DPoP-Nonce header.")
        # Last, so that only proofs that are good otherwise take up memory.
        if not await self._replays.first(generation, jkt, hashlib.sha256(jkt.encode() + jti).digest()):
            raise InvalidProofError("The DPoP proof was used before.")

    def _match(self, claims: dict[str, Any], credential: Credential) -> None:
        """Whether the proof is about this request, this token, and now."""
        htu = claims.get("htu")
        if claims.get("htm") != credential.method:
            raise InvalidProofError("htm must be the method of the request.")
        if not isinstance(htu, str) or not self._place.fits(htu, credential.path):
            raise InvalidProofError(f"htu must be the URL of the request, at {self._place.origin}.")
        if not self._is_now(claims.get("iat")):
            raise InvalidProofError("iat must be the time at which the proof was made.")
        if claims.get("ath") != urlsafe_b64encode(hashlib.sha256(credential.token.encode("ascii")).digest()).decode():
            raise InvalidProofError("ath must be the hash of the access token.")

    def _is_now(self, iat: object) -> bool:
        """Never so for NaN and infinities, which Python's JSON has."""
        if isinstance(iat, bool) or not isinstance(iat, int | float):
            return False
        return abs(self._clock() - iat * SECOND) <= WINDOW


def _signed(proof: str | None, jkt: str) -> dict[str, Any]:
    """The claims of a proof that the holder of the key has signed."""
    if proof is None:
        raise InvalidProofError("A token that is bound to a key needs a DPoP proof.")
    if len(proof) > MAX_PROOF:
        raise InvalidProofError("The DPoP proof is too long.")
    message, _, signature = proof.encode("ascii").rpartition(b".")
    header, _, payload = message.partition(b".")
    signer = _signer(header)
    if signer.thumbprint != jkt:
        raise UnauthenticatedError("The DPoP proof is made with another key than the token is bound to.")
    if not signer.signatures.verify(message, urlsafe_b64decode(signature), signer.key):
        raise InvalidProofError("The signature of the DPoP proof does not hold.")
    return _object(payload)


@lru_cache(_KEYS)
def _signer(header: bytes) -> _Signer:
    """Who signed, by the header's own account; a client sends the same header again and again."""
    said = _object(header)
    if said.get("typ") != "dpop+jwt" or "crit" in said:
        raise InvalidProofError("typ must be dpop+jwt, and nothing critical.")
    algorithm, jwk = said.get("alg"), said.get("jwk")
    if not isinstance(algorithm, str) or algorithm not in _SIGNATURES:
        raise InvalidProofError(f"alg must be one of {', '.join(ALGORITHMS)}.")
    if not isinstance(jwk, dict):
        raise InvalidProofError("jwk must be the public key.")
    usual, signatures = _SIGNATURES[algorithm]
    found = _public(cast("dict[str, object]", jwk))
    if found is None or found.algorithm != usual:
        raise InvalidProofError(f"jwk must be {KINDS}, and fit alg.")
    return _Signer(signatures, found.key, found.key.thumbprint())


def _public(jwk: dict[str, object]) -> PublicKey | None:
    try:
        return public(jwk)
    except PrivateKeyError:
        raise InvalidProofError("jwk must hold no private key; this one is not to be used any more.") from None
    except ValueError:
        return None


def _identifier(claims: dict[str, Any]) -> bytes:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise InvalidProofError(f"jti must be a string of 1 to {MAX_JTI} characters.")
    return jti.encode("utf-8", "surrogatepass")


def _object(segment: bytes) -> dict[str, Any]:
    value = json.loads(urlsafe_b64decode(segment).decode())
    if not isinstance(value, dict):
        raise InvalidProofError("The DPoP proof must consist of JSON objects.")
    return cast("dict[str, Any]", value)
