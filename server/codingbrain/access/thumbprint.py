"""The name of a client's key in tokens that are bound to it: its thumbprint (RFC 7638)."""

import json
from collections.abc import Mapping
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from codingbrain.access.jwk import KINDS, PrivateKeyError, public
from codingbrain.errors import InvalidArgumentError


def thumbprint(text: str) -> str:
    """Of a public key as JWK or PEM, of a kind that can sign a DPoP proof here.

    Raises:
        InvalidArgumentError: it is no such key, or a private one, which nobody but its owner should have.
    """
    try:
        return public(json.loads(text) if text.lstrip().startswith("{") else _of_pem(text)).key.thumbprint()
    except PrivateKeyError:
        raise InvalidArgumentError(_NOT_PUBLIC) from None
    except (ValueError, TypeError, RecursionError):
        raise InvalidArgumentError(f"the key: must be one public key, as JWK or PEM, and {KINDS}") from None


def _of_pem(text: str) -> Mapping[str, Any]:
    if "PRIVATE" in text:
        raise PrivateKeyError
    for kind in (ECKey, OKPKey, RSAKey):
        try:
            return kind.import_key(text).as_dict()
        except JoseError:
            continue  # a key of another kind
    raise ValueError


_NOT_PUBLIC: Final = "the key: this is a private key; give the public half, and keep this one where it is"
