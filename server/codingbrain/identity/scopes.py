"""The closed list of scopes that a credential can carry."""

from enum import StrEnum


class Scope(StrEnum):
    """`<family>:<action>`, as it stands in a token."""

    MEMORIES_READ = "memories:read"
    MEMORIES_WRITE = "memories:write"
    MEMORIES_DELETE = "memories:delete"


EVERYTHING = frozenset(Scope)
