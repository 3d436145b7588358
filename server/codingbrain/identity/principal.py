"""Who calls: the one value that every authorisation question is asked of."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from codingbrain.clock import Micros
from codingbrain.identity.scopes import Scope


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation's share of a store; made only from a principal, or by the code that serves all tenants."""

    org: UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: an org's user, acting through a client, with the scopes of one credential."""

    org: UUID
    user: UUID
    user_name: str
    client: str
    scopes: frozenset[Scope]
    credential: UUID | None = None
    expires_at: Micros | None = None
    tenant: Tenant = field(init=False)

    def __post_init__(self) -> None:
        """Derive the tenant, so that none can be passed in."""
        object.__setattr__(self, "tenant", Tenant(self.org))

    @property
    def audience(self) -> str:
        """The label of what only this user sees."""
        return f"user:{self.user}"

    @property
    def audiences(self) -> frozenset[str]:
        """Every audience label whose objects this caller may see."""
        return frozenset({self.audience})


current: ContextVar[Principal | None] = ContextVar("principal", default=None)
"""The principal of the message being handled; a transport sets it, and nothing else does."""
