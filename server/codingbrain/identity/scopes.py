"""The closed list of scopes that a credential can carry.

No scope implies another: a token says everything that it allows.
"""

from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """`<family>:<action>`, as it stands in a token."""

    MEMORIES_READ = "memories:read"
    MEMORIES_WRITE = "memories:write"
    MEMORIES_DELETE = "memories:delete"
    EPISODES_READ = "episodes:read"
    EPISODES_WRITE = "episodes:write"
    EPISODES_DELETE = "episodes:delete"
    SEARCH_READ = "search:read"
    CODE_READ = "code:read"
    CODE_WRITE = "code:write"
    CODE_DELETE = "code:delete"
    DOCS_READ = "docs:read"
    DOCS_WRITE = "docs:write"
    DOCS_DELETE = "docs:delete"
    GRAPH_READ = "graph:read"
    GRAPH_WRITE = "graph:write"
    ENTITIES_READ = "entities:read"
    ENTITIES_WRITE = "entities:write"
    APPS_READ = "apps:read"
    APPS_WRITE = "apps:write"
    APPS_DELETE = "apps:delete"
    FEEDBACK_READ = "feedback:read"
    FEEDBACK_WRITE = "feedback:write"
    EXPERIMENTS_READ = "experiments:read"
    EXPERIMENTS_WRITE = "experiments:write"
    EXPERIMENTS_DELETE = "experiments:delete"
    STATS_READ = "stats:read"
    AUDIT_READ = "audit:read"
    GDPR_READ = "gdpr:read"
    GDPR_WRITE = "gdpr:write"
    GDPR_DELETE = "gdpr:delete"
    BACKUP_READ = "backup:read"
    BACKUP_WRITE = "backup:write"
    BACKUP_DELETE = "backup:delete"
    ADMIN_READ = "admin:read"
    ADMIN_WRITE = "admin:write"

    @property
    def family(self) -> str:
        """What the scope is about."""
        return self.value.partition(":")[0]

    @property
    def action(self) -> str:
        """`read`, `write` or `delete`."""
        return self.value.partition(":")[2]


EVERYTHING: Final = frozenset(Scope)

EVERYDAY: Final = frozenset(scope for scope in Scope if scope.family not in {"admin", "backup", "gdpr", "audit"})
"""What an assistant may hold; over stdio nobody holds more."""

BASE: Final = frozenset({Scope.MEMORIES_READ, Scope.MEMORIES_WRITE})
"""What a client asks for before it knows what it needs; more is asked for when a call needs it."""


def parse(text: str) -> frozenset[Scope]:
    """The known scopes of a space-separated list (RFC 6749, section 3.3); unknown words allow nothing."""
    return frozenset(_BY_VALUE[word] for word in text.split() if word in _BY_VALUE)


_BY_VALUE: Final = {scope.value: scope for scope in Scope}
