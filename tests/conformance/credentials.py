"""What the front adds to a request: nothing, a bearer token, or a bound token with a proof (RFC 9449)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tests.proof import Prover

Headers = Iterable[tuple[bytes, bytes]]


class Credentials(Protocol):
    """A client's credential."""

    def give(self, method: str, path: str) -> Headers:
        """The header fields for one request."""
        ...

    def learn(self, headers: Headers) -> None:
        """Take note of what an answer says."""
        ...


@dataclass(frozen=True, slots=True)
class Nothing:
    """No credential at all."""

    def give(self, method: str, path: str) -> Headers:
        del method, path
        return ()

    def learn(self, headers: Headers) -> None:
        del headers


@dataclass(frozen=True, slots=True)
class Bearer:
    """A bearer token (RFC 6750)."""

    token: str

    def give(self, method: str, path: str) -> Headers:
        del method, path
        return ((b"authorization", f"Bearer {self.token}".encode()),)

    def learn(self, headers: Headers) -> None:
        del headers


@dataclass(slots=True)
class Bound:
    """A token bound to a key, and a proof of the key's possession with the nonce that came last (RFC 9449)."""

    token: str
    origin: str
    prover: Prover
    nonce: str | None = None

    def give(self, method: str, path: str) -> Headers:
        proof = self.prover.proof(method, f"{self.origin}{path}", self.token, self.nonce)
        return (b"authorization", f"DPoP {self.token}".encode()), (b"dpop", proof.encode())

    def learn(self, headers: Headers) -> None:
        for name, value in headers:
            if name.lower() == b"dpop-nonce":
                self.nonce = value.decode()
