"""What a refusal asks for: `WWW-Authenticate` of RFC 6750 and RFC 9449, one header field for each scheme on offer."""

from collections.abc import Iterable
from typing import Final, Literal

from codingbrain.access.credential import Scheme
from codingbrain.identity.scopes import BASE, Scope
from codingbrain.transports.metadata import PATH

Headers = list[tuple[bytes, bytes]]

REALM: Final = "codingbrain"

_FIELD: Final = b"www-authenticate"
_PROOFS: Final = frozenset({"invalid_dpop_proof", "use_dpop_nonce"})


class Challenges:
    """The challenges of one server; `origin` is its identifier as a resource, `algorithms` may sign proofs."""

    def __init__(self, origin: str, dpop: Literal["off", "bound", "required"], algorithms: Iterable[str]) -> None:
        self._metadata = f"{origin}{PATH}"
        self._schemes: dict[Scheme, tuple[tuple[str, str], ...]] = {}
        if dpop != "off":
            self._schemes[Scheme.DPOP] = (("algs", " ".join(algorithms)),)
        if dpop != "required":
            self._schemes[Scheme.BEARER] = ()
        self.plain: Final = self._fields(None, None, BASE)

    def unauthenticated(self, code: str, message: str) -> Headers:
        """For a credential that does not hold; `code` is that of the failure."""
        return self._fields(code if code in _PROOFS else "invalid_token", message, BASE)

    def insufficient(self, needed: Iterable[Scope], message: str) -> Headers:
        """For a credential that lacks some of the scopes that the operation needs; all of them are named."""
        return self._fields("insufficient_scope", message, needed)

    def _fields(self, error: str | None, message: str | None, scopes: Iterable[Scope]) -> Headers:
        fields: Headers = []
        for scheme, parameters in self._schemes.items():
            said = [("realm", REALM), *parameters]
            if error is not None and message is not None and (scheme is Scheme.DPOP or error not in _PROOFS):
                said += [("error", error), ("error_description", message)]
            said += [("scope", " ".join(sorted(scopes))), ("resource_metadata", self._metadata)]
            shown = ", ".join(f'{name}="{_quoted(value)}"' for name, value in said)
            fields.append((_FIELD, f"{scheme.value} {shown}".encode("ascii")))
        return fields


def _quoted(value: str) -> str:
    """The inside of a quoted-string (RFC 9110, section 5.6.4); what a description may not hold becomes `?`."""
    kept = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in value)
    return kept.replace("\\", "\\\\").replace('"', '\\"')
