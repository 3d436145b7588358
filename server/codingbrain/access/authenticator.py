"""Who sends a request: the token's signature, its binding to a key, and its bearer's standing, in that order."""

import hashlib
from dataclasses import dataclass
from typing import Final

from codingbrain.access.credential import Credential, Scheme
from codingbrain.access.dpop import Proofs
from codingbrain.access.jwt import REFUSED, Verifier
from codingbrain.access.people import People
from codingbrain.access.recent import Recent
from codingbrain.clock import SECOND, Clock, Micros
from codingbrain.errors import UnauthenticatedError
from codingbrain.identity.claims import Claims
from codingbrain.identity.principal import Principal

WINDOW: Final[Micros] = SECOND
"""How long a bearer's standing counts: a change that another process makes takes effect within this."""

_LOCAL: Final = b"local"
"""What is remembered of the local owner; no digest is this short."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a credential is checked with; without `proofs` no token may be bound to a key, with `required` each must.

    `trust` is for how long an identity provider's signature counts before the
    provider's keys are looked at again.
    """

    verifier: Verifier
    people: People
    proofs: Proofs | None
    required: bool
    trust: Micros


class Authenticator:
    """Decides for whom a request speaks."""

    def __init__(self, means: Means, clock: Clock) -> None:
        self._means = means
        self._clock = clock
        self._claims: Recent[Claims] = Recent(clock)
        self._principals: Recent[Principal] = Recent(clock)
        self._keys = means.verifier.epoch

    async def authenticate(self, credential: Credential) -> Principal:
        """Who sent this.

        Raises:
            UnauthenticatedError: the token is not good, or not sent as it must be; which one is not said.
            InvalidProofError, NonceRequiredError: the token is good, but not the proof that came with it.
            ForbiddenError: the identity provider vouches for somebody who has no user here.
            UnavailableError: it cannot be found out now.
        """
        digest = _digest(credential.token)
        known = self._known(digest)
        if credential.scheme is Scheme.BEARER and known is not None and known.jkt is None and not self._means.required:
            return known
        return await self._proven(credential, digest)

    async def still(self, token: str) -> Principal:
        """Whom a token stands for that came with a proof when its stream was opened.

        Raises:
            UnauthenticatedError, ForbiddenError: for nobody, any more.
            UnavailableError: it cannot be found out now.
        """
        digest = _digest(token)
        return self._known(digest) or await self._standing(digest, await self._verified(token, digest))

    async def local(self) -> Principal:
        """Whoever may open the data directory, over stdio: the credential is the connection.

        Raises:
            StorageError, UnavailableError: the record cannot say what they may do.
        """
        if (known := self._principals.get(_LOCAL)) is not None:
            return known
        epoch = self._principals.epoch
        principal = await self._means.people.local()
        self._principals.put(_LOCAL, principal, self._clock() + WINDOW, epoch)
        return principal

    async def run(self) -> None:
        """Fetch the identity providers' keys when they are needed, until cancelled."""
        await self._means.verifier.run()

    def forget(self) -> None:
        """Ask again for whom each token stands: something about users, clients or tokens has changed."""
        self._principals.forget()

    def nonce(self) -> str | None:
        """What the next proof must contain; `None` if none is taken."""
        return None if self._means.proofs is None else self._means.proofs.nonce()

    async def _proven(self, credential: Credential, digest: bytes) -> Principal:
        proofs = self._means.proofs
        shown = credential.scheme is Scheme.DPOP
        if shown if proofs is None else self._means.required and not shown:
            raise UnauthenticatedError(REFUSED)
        claims = await self._verified(credential.token, digest)
        if shown is not (claims.jkt is not None):
            raise UnauthenticatedError(REFUSED)
        if proofs is not None and claims.jkt is not None:
            await proofs.check(credential, claims.jkt)
        return self._known(digest) or await self._standing(digest, claims)

    def _known(self, digest: bytes) -> Principal | None:
        if self._keys != (keys := self._means.verifier.epoch):
            self._keys = keys
            self._claims.forget()
            self._principals.forget()
        return self._principals.get(digest)

    async def _verified(self, token: str, digest: bytes) -> Claims:
        if (found := self._claims.get(digest)) is not None:
            return found
        epoch = self._claims.epoch
        claims = await self._means.verifier.verify(token)
        until = claims.expires_at if claims.local else min(claims.expires_at, self._clock() + self._means.trust)
        self._claims.put(digest, claims, until, epoch)
        return claims

    async def _standing(self, digest: bytes, claims: Claims) -> Principal:
        epoch = self._principals.epoch
        principal = await self._means.people.principal(claims)
        self._principals.put(digest, principal, min(claims.expires_at, self._clock() + WINDOW), epoch)
        return principal


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
