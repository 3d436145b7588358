"""The tables of the record.

Every tenant table starts its keys with the org. Times are microseconds since the epoch. Whatever a caller may
filter by is a column or a child table of its own; JSON columns hold what is only ever read back whole.
"""

# SQLModel types `__tablename__` as what it becomes, not as the string that one writes.
# pyright: reportIncompatibleVariableOverride=false, reportAssignmentType=false

from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    event,
)
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows only for a column of exactly this type."""


def _micros(*, nullable: bool = False) -> Any:  # noqa: ANN401 - the type that Field itself declares
    return Field(default=None, sa_type=BigInteger, nullable=nullable)


class OrgRow(SQLModel, table=True):
    """A tenant."""

    __tablename__ = "orgs"

    id: UUID = Field(primary_key=True)
    name: str = Field(unique=True)
    created_at: int = _micros()


class UserRow(SQLModel, table=True):
    """A person or service account of one org."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("org", "name"),)

    org: UUID = Field(primary_key=True, foreign_key="orgs.id")
    id: UUID = Field(primary_key=True)
    name: str
    role: str
    pseudonym: UUID
    created_at: int = _micros()
    disabled_at: int | None = _micros(nullable=True)


class LinkRow(SQLModel, table=True):
    """A pool that an operator linked to an org: its members may read what the pool shares with its own org."""

    __tablename__ = "org_links"
    __table_args__ = (ForeignKeyConstraint(["pool"], ["orgs.id"]),)

    org: UUID = Field(primary_key=True, foreign_key="orgs.id")
    pool: UUID = Field(primary_key=True)
    created_at: int = _micros()


def _of_user() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["org", "user"], ["users.org", "users.id"])


class IdentityRow(SQLModel, table=True):
    """The user for whom an identity provider's subject stands."""

    __tablename__ = "identities"
    __table_args__ = (_of_user(), Index("identities_of", "org", "user"))

    org: UUID = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    user: UUID
    created_at: int = _micros()


class GrantRow(SQLModel, table=True):
    """A user's membership of a team or project: `team:platform`."""

    __tablename__ = "grants"
    __table_args__ = (_of_user(),)

    org: UUID = Field(primary_key=True)
    user: UUID = Field(primary_key=True)
    grant: str = Field(primary_key=True)
    created_at: int = _micros()


class ClientRow(SQLModel, table=True):
    """A client that has used the org, and whether it still may."""

    __tablename__ = "clients"

    org: UUID = Field(primary_key=True, foreign_key="orgs.id")
    name: str = Field(primary_key=True)
    created_at: int = _micros()
    blocked_at: int | None = _micros(nullable=True)


class TokenRow(SQLModel, table=True):
    """An access token that was signed here; the token itself is not stored."""

    __tablename__ = "tokens"
    __table_args__ = (_of_user(),)

    org: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    user: UUID
    client: str
    scopes: str
    jkt: str | None
    created_at: int = _micros()
    expires_at: int = _micros()
    revoked_at: int | None = _micros(nullable=True)


class DeniedRow(SQLModel, table=True):
    """A token of an identity provider that was revoked here; when it would have expired is not known, so it stays."""

    __tablename__ = "denied_tokens"

    org: UUID = Field(primary_key=True, foreign_key="orgs.id")
    issuer: str = Field(primary_key=True)
    jti: str = Field(primary_key=True)
    created_at: int = _micros()
    expires_at: int = _micros()


class AuditRow(SQLModel, table=True):
    """Who did what to which object, and how it ended; nothing is ever changed but the number of its seal.

    `org` is the nil UUID for what concerns no org, such as a request without a usable token.
    """

    __tablename__ = "audit"
    __table_args__ = (Index("audit_of", "org", "seq"), Index("audit_unsealed", "org", "seal", "seq"))

    seq: int | None = Field(default=None, sa_column=Column(_SEQUENCE, primary_key=True, autoincrement=True))
    org: UUID
    at: int = _micros()
    actor: UUID | None
    client: str | None
    action: str
    object: str | None
    outcome: str
    times: int
    request_id: str | None
    seal: int | None


class SealRow(SQLModel, table=True):
    """One link of an org's hash chain over its audit rows; `number` starts at 1."""

    __tablename__ = "audit_seals"

    org: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=Integer)
    entries: int
    first_seq: int = Field(sa_type=BigInteger)
    last_seq: int = Field(sa_type=BigInteger)
    previous: bytes = Field(sa_type=LargeBinary)
    digest: bytes = Field(sa_type=LargeBinary)
    at: int = _micros()


class LimitRow(SQLModel, table=True):
    """A rate limit that an administrator set for an org, one of its users, or one of its tools."""

    __tablename__ = "rate_limits"

    org: UUID = Field(primary_key=True, foreign_key="orgs.id")
    subject: str = Field(primary_key=True)
    burst: str
    sustained: str
    updated_at: int = _micros()


class MemoryRow(SQLModel, table=True):
    """A memory at its newest version."""

    __tablename__ = "memories"
    __table_args__ = (
        Index("memories_newest", "org", "audience", "state", "created_at", "id"),
        Index("memories_by_digest", "org", "audience", "digest", "id"),
        Index("memories_deleted", "org", "deleted_at"),
    )

    org: UUID = Field(primary_key=True, foreign_key="orgs.id")
    id: UUID = Field(primary_key=True)
    version: int
    owner: UUID
    audience: str
    visibility: str
    target: str | None
    text: str
    digest: bytes = Field(sa_type=LargeBinary)
    category: str | None
    artifact_kind: str | None
    artifact_ref: str | None
    evidence: list[str] = Field(sa_column=Column(JSON, nullable=False))
    source_app: str | None
    source_tool: str | None
    source_url: str | None
    source_commit: str | None
    created_at: int = _micros()
    updated_at: int = _micros()
    valid_from: int | None = _micros(nullable=True)
    valid_to: int | None = _micros(nullable=True)
    deleted_at: int | None = _micros(nullable=True)
    state: str
    pinned: bool


def _of_memory() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["org", "memory"], ["memories.org", "memories.id"], ondelete="CASCADE")


class TagRow(SQLModel, table=True):
    """One tag of a memory."""

    __tablename__ = "memory_tags"
    __table_args__ = (_of_memory(), Index("memory_tags_by_tag", "org", "tag"))

    org: UUID = Field(primary_key=True)
    memory: UUID = Field(primary_key=True)
    tag: str = Field(primary_key=True)


class EntityRow(SQLModel, table=True):
    """One entity that a memory mentions, in the order that the caller gave."""

    __tablename__ = "memory_entities"
    __table_args__ = (_of_memory(), Index("memory_entities_by_name", "org", "name"))

    org: UUID = Field(primary_key=True)
    memory: UUID = Field(primary_key=True)
    ordinal: int = Field(primary_key=True, sa_type=Integer)
    name: str


class CodeRow(SQLModel, table=True):
    """One place in code that a memory is about."""

    __tablename__ = "memory_code"
    __table_args__ = (_of_memory(), Index("memory_code_by_path", "org", "path"))

    org: UUID = Field(primary_key=True)
    memory: UUID = Field(primary_key=True)
    ordinal: int = Field(primary_key=True, sa_type=Integer)
    path: str
    repo: str | None
    line_start: int | None
    line_end: int | None
    symbol: str | None


class RevisionRow(SQLModel, table=True):
    """A memory as it was from `at` until its next revision."""

    __tablename__ = "memory_revisions"
    __table_args__ = (_of_memory(),)

    org: UUID = Field(primary_key=True)
    memory: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=Integer)
    event: str
    at: int = _micros()
    user: UUID
    client: str
    snapshot: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class IdempotencyRow(SQLModel, table=True):
    """The answer to a write that carried an idempotency key, for repeats of the same request."""

    __tablename__ = "idempotency"

    org: UUID = Field(primary_key=True)
    user: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request: bytes = Field(sa_type=LargeBinary)
    answer: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    created_at: int = Field(sa_type=BigInteger, index=True)


class OutboxRow(SQLModel, table=True):
    """A change that an index has not taken up yet; committed together with the change itself."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_due", "lane", "dead", "due_at", "seq"), Index("outbox_of", "org", "object", "lane"))

    seq: int | None = Field(default=None, sa_column=Column(_SEQUENCE, primary_key=True, autoincrement=True))
    org: UUID
    object: UUID
    version: int
    lane: str
    created_at: int = _micros()
    due_at: int = _micros()
    attempts: int = 0
    error: str | None = None
    dead: bool = False


_COLUMNS: Final = "seq, org, at, actor, client, action, object, outcome, times, request_id"
_REFUSED: Final = "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
_KEPT: Final = {
    "audit": (
        "CREATE TRIGGER audit_kept BEFORE DELETE ON audit",
        f"CREATE TRIGGER audit_unchanged BEFORE UPDATE OF {_COLUMNS} ON audit",
        "CREATE TRIGGER audit_sealed_once BEFORE UPDATE OF seal ON audit WHEN OLD.seal IS NOT NULL",
    ),
    "audit_seals": (
        "CREATE TRIGGER audit_seals_kept BEFORE DELETE ON audit_seals",
        "CREATE TRIGGER audit_seals_unchanged BEFORE UPDATE ON audit_seals",
    ),
}
"""What nobody may do to the audit log by mistake; what is done on purpose, `codingbrain audit verify` finds."""

for _table, _triggers in _KEPT.items():
    for _trigger in _triggers:
        _keep = DDL(f"{_trigger} {_REFUSED}").execute_if(dialect="sqlite")
        event.listen(SQLModel.metadata.tables[_table], "after_create", _keep)

NAMES = frozenset(SQLModel.metadata.tables)
"""The tables that belong to the record; whatever else stands in its database is an index and can be rebuilt."""
