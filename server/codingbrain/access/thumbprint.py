"""The name of a client's key in tokens that are bound to it: its thumbprint (RFC 7638)."""

import json
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from codingbrain.errors import InvalidArgumentError

_KINDS: Final = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e")
_CURVES: Final = ("P-256", "Ed25519")
_RSA_BITS: Final = range(2_048, 8_193)

_Key = ECKey | OKPKey | RSAKey


def thumbprint(text: str) -> str:
    """Of a public key as JWK or PEM, of a kind that can sign a DPoP proof here.

    Raises:
        InvalidArgumentError: it is no such key, or a private one, which nobody but its owner should have.
    """
    try:
        key = _of_jwk(text) if text.lstrip().startswith("{") else _of_pem(text)
    except (JoseError, ValueError, TypeError, LookupError, RecursionError):
        raise InvalidArgumentError("the key: must be one public key, as JWK or PEM") from None
    if not (key.raw_value.key_size in _RSA_BITS if isinstance(key, RSAKey) else key.curve_name in _CURVES):
        raise InvalidArgumentError("the key: must be a P-256, Ed25519 or RSA key, the latter of 2048 to 8192 bits")
    # Written anew: numbers with leading zeros or without would be the same key under another name.
    return type(key).import_key(key.as_pem(private=False)).thumbprint()


def _of_jwk(text: str) -> _Key:
    members = json.loads(text)
    if _PRIVATE & members.keys():
        raise InvalidArgumentError(_NOT_PUBLIC)
    return _KINDS[members["kty"]].import_key({name: members[name] for name in _MEMBERS if name in members})


def _of_pem(text: str) -> _Key:
    if "PRIVATE" in text:
        raise InvalidArgumentError(_NOT_PUBLIC)
    for kind in _KINDS.values():
        try:
            key = kind.import_key(text)
        except JoseError:
            continue  # a key of another kind
        if key.is_private:
            raise InvalidArgumentError(_NOT_PUBLIC)
        return key
    raise ValueError


_NOT_PUBLIC: Final = "the key: this is a private key; give the public half, and keep this one where it is"
