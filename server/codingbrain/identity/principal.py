"""Who calls: the one value that every authorisation question is asked of."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from codingbrain.clock import Micros
from codingbrain.errors import ForbiddenError, InsufficientScopeError
from codingbrain.identity.grants import Grant
from codingbrain.identity.roles import Role, allowed
from codingbrain.identity.scopes import Scope

NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation's share of a store; made only from a principal, or by the code that serves all tenants."""

    org: UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: an org's user, acting through a client, with one credential.

    `token_scopes` is what the credential carries; `scopes`, what the caller may do, is that cut down to the roles.
    `pools` are the orgs that an operator linked to this one for reading. `pseudonym` stands for the user where the
    name must be erasable. `jkt` is the RFC 7638 thumbprint of the key that the credential is bound to.
    """

    org: UUID
    user: UUID
    user_name: str
    client: str
    token_scopes: frozenset[Scope]
    roles: frozenset[Role] = frozenset({Role.OWNER})
    grants: frozenset[Grant] = frozenset()
    pools: frozenset[UUID] = frozenset()
    pseudonym: UUID = NOBODY
    credential: str | None = None
    issuer: str | None = None
    jkt: str | None = None
    expires_at: Micros | None = None
    tenant: Tenant = field(init=False)
    scopes: frozenset[Scope] = field(init=False)

    def __post_init__(self) -> None:
        """Derive what must not be passed in."""
        object.__setattr__(self, "tenant", Tenant(self.org))
        object.__setattr__(self, "scopes", self.token_scopes & allowed(self.roles))

    def __hash__(self) -> int:
        """Principals are keys of small caches; hashing every field at each call would cost more than they save."""
        return hash((self.user, self.credential, self.client))

    def check(self, needed: frozenset[Scope], what: str = "This") -> None:
        """Whether `what` may be done, which takes the scopes `needed`.

        Raises:
            ForbiddenError: no credential would do, because no role of the caller allows it.
            InsufficientScopeError: another credential would.
        """
        if needed <= self.scopes:
            return
        listed = ", ".join(sorted(needed))
        if not needed <= allowed(self.roles):
            raise ForbiddenError(f"{what} needs {listed}, which your role does not allow, whatever the credential.")
        raise InsufficientScopeError(f"{what} needs a credential with: {listed}.", required=sorted(needed))

    @property
    def linked(self) -> tuple[Tenant, ...]:
        """The shares of the linked orgs, in a fixed order."""
        return tuple(Tenant(org) for org in sorted(self.pools))


current: ContextVar[Principal | None] = ContextVar("principal", default=None)
"""The principal of the message being handled; a transport sets it, and nothing else does."""
