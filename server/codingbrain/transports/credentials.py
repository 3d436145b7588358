"""The credential of a request: one `Authorization` header (RFC 9110) and at most one `DPoP` header (RFC 9449)."""

import string
from typing import Final

from starlette.types import Scope

from codingbrain.access.credential import Credential, Scheme
from codingbrain.errors import InvalidProofError, UnauthenticatedError
from codingbrain.toolkit.replies import refusal
from codingbrain.transports.refused import RefusedError

LONGEST: Final = 16 * 1024
"""Bytes of a token, and of a proof."""

REFUSED: Final = "The token is not valid here, or not any more."

_SCHEMES: Final = {scheme.value.lower().encode(): scheme for scheme in Scheme}
_TOKEN68: Final = (string.ascii_letters + string.digits + "-._~+/").encode()
_PROOF: Final = (string.ascii_letters + string.digits + "-_.").encode()


def presented(scope: Scope, fields: dict[bytes, bytes]) -> Credential | None:
    """What the request shows, if it shows anything that is taken here; never from its URL or its body.

    `fields` are the headers of `scope`, with one value for each name.

    Raises:
        RefusedError: several credentials; nobody can say which one counts.
        UnauthenticatedError: something that cannot be a token.
        InvalidProofError: something that cannot be one proof.
    """
    if len(fields) != len(scope["headers"]):
        _refuse_repetition(scope)
    if (value := fields.get(b"authorization")) is None:
        return None
    name, _, rest = value.partition(b" ")
    token = rest.strip(b" \t")
    if (scheme := _SCHEMES.get(name.lower())) is None or not token:
        return None
    if len(token) > LONGEST or token.rstrip(b"=").translate(None, _TOKEN68) or token.startswith(b"="):
        raise UnauthenticatedError(REFUSED)
    proof = fields.get(b"dpop")
    return Credential(
        scheme, token.decode("ascii"), None if proof is None else _proof(proof), scope["method"], scope["path"]
    )


def _proof(value: bytes) -> str:
    """One compact JWS; a comma would join two (RFC 9449, section 4.3, check 1)."""
    proof = value.strip(b" \t")
    if not proof or len(proof) > LONGEST or proof.translate(None, _PROOF):
        raise InvalidProofError("The DPoP header must hold one proof.")
    return proof.decode("ascii")


def _refuse_repetition(scope: Scope) -> None:
    names = [name for name, _ in scope["headers"]]
    if names.count(b"authorization") > 1:
        raise RefusedError(refusal(400, "Authorization may be sent once."))
    if names.count(b"dpop") > 1:
        raise InvalidProofError("DPoP may be sent once.")
