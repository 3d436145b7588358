"""What a role allows; what a caller may do is this, cut down to what the token carries."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from codingbrain.identity.scopes import EVERYTHING, Scope

_CONTENT: Final = frozenset(
    {"memories", "episodes", "search", "code", "docs", "graph", "entities", "apps", "feedback", "experiments"}
)
_READING: Final = frozenset(scope for scope in Scope if scope.family in _CONTENT and scope.action == "read")


class Role(StrEnum):
    """A user's standing in the org."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    READER = "reader"
    OPERATOR = "operator"
    AUDITOR = "auditor"


ALLOWED: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.OWNER: EVERYTHING,
    Role.ADMIN: EVERYTHING - {Scope.GDPR_DELETE, Scope.BACKUP_DELETE},
    Role.DEVELOPER: frozenset(scope for scope in Scope if scope.family in _CONTENT - {"experiments"})
    | {Scope.EXPERIMENTS_READ, Scope.GDPR_READ, Scope.GDPR_WRITE},
    Role.READER: _READING | {Scope.FEEDBACK_WRITE, Scope.GDPR_READ},
    Role.OPERATOR: frozenset(
        {Scope.STATS_READ, Scope.ADMIN_READ, Scope.BACKUP_READ, Scope.BACKUP_WRITE, Scope.BACKUP_DELETE}
    ),
    Role.AUDITOR: frozenset({Scope.AUDIT_READ, Scope.STATS_READ, Scope.ADMIN_READ}),
}

GOVERNING: Final = frozenset({Role.OWNER, Role.ADMIN})
"""Who may change what belongs to the whole org."""


def allowed(roles: Iterable[Role]) -> frozenset[Scope]:
    """What any of the roles allows."""
    return frozenset[Scope]().union(*(ALLOWED[role] for role in roles))
