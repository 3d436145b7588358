"""Public keys of the kinds that sign tokens and proofs here, from JWKs that may say anything (RFC 7517, 7518, 8037)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import base64_to_int, int_to_base64

Key = ECKey | OKPKey | RSAKey

KINDS: Final = "a P-256, Ed25519 or RSA key, the latter of 2048 to 8192 bits"

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_COORDINATE: Final = 43
"""Base64url characters of 32 bytes; with any other length one key would have several thumbprints."""

_RSA_BITS: Final = range(2_048, 8_193)
_EXPONENT_BITS: Final = range(2, 65)


class PrivateKeyError(ValueError):
    """The JWK holds what only the key's owner should have."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key, and the one algorithm that it is used with: ES256, EdDSA or RS256."""

    algorithm: str
    key: Key


def public(jwk: Mapping[str, object]) -> PublicKey:
    """The key, without anything that is said about it but its numbers.

    Raises:
        PrivateKeyError: it is a private or a symmetric key.
        ValueError: it is no key, or of no kind that is taken here.
    """
    if _PRIVATE & jwk.keys():
        raise PrivateKeyError
    try:
        return _made({name: value for name, value in jwk.items() if isinstance(value, str)})
    except JoseError as error:
        raise ValueError(str(error)) from None


def _made(said: Mapping[str, str]) -> PublicKey:
    match said:
        case {"kty": "EC", "crv": "P-256", "x": x, "y": y} if len(x) == len(y) == _COORDINATE:
            return PublicKey("ES256", ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y}))
        case {"kty": "OKP", "crv": "Ed25519", "x": x} if len(x) == _COORDINATE:
            return PublicKey("EdDSA", OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x}))
        case {"kty": "RSA", "n": n, "e": e} if _bits(n) in _RSA_BITS and _bits(e) in _EXPONENT_BITS:
            return PublicKey("RS256", RSAKey.import_key({"kty": "RSA", "n": n, "e": e}))
        case _:
            raise ValueError(KINDS)


def _bits(text: str) -> int:
    """Of a number in its one form, without leading zeros, for the same reason; none in any other."""
    number = base64_to_int(text)
    return number.bit_length() if int_to_base64(number) == text else 0
