"""Who acts for all tenants at once: the server's own background work and its administrators."""

from dataclasses import dataclass
from uuid import UUID

from codingbrain.identity.principal import Tenant


@dataclass(frozen=True, slots=True)
class Operator:
    """Cross-tenant authority; only the admin app, the command line and background work may name this type."""

    purpose: str

    def tenant(self, org: UUID) -> Tenant:
        """The tenant to work for next."""
        return Tenant(org)
