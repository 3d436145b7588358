"""The record of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "idempotency",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org", "user", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"], unique=False)

    op.create_table(
        "orgs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orgs"),
        sa.UniqueConstraint("name", name="uq_orgs_name"),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("object", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
    )
    op.create_index("outbox_due", "outbox", ["lane", "dead", "due_at", "seq"], unique=False)
    op.create_index("outbox_of", "outbox", ["org", "object", "lane"], unique=False)

    op.create_table(
        "memories",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("artifact_kind", sa.String(), nullable=True),
        sa.Column("artifact_ref", sa.String(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("source_app", sa.String(), nullable=True),
        sa.Column("source_tool", sa.String(), nullable=True),
        sa.Column("source_url", sa.String(), nullable=True),
        sa.Column("source_commit", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=True),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["org"], ["orgs.id"], name="fk_memories_org_orgs"),
        sa.PrimaryKeyConstraint("org", "id", name="pk_memories"),
    )
    op.create_index("memories_by_digest", "memories", ["org", "audience", "digest", "id"], unique=False)
    op.create_index("memories_deleted", "memories", ["org", "deleted_at"], unique=False)
    op.create_index("memories_newest", "memories", ["org", "audience", "state", "created_at", "id"], unique=False)

    op.create_table(
        "users",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["org"], ["orgs.id"], name="fk_users_org_orgs"),
        sa.PrimaryKeyConstraint("org", "id", name="pk_users"),
        sa.UniqueConstraint("org", "name", name="uq_users_org"),
    )
    op.create_table(
        "memory_code",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("memory", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("repo", sa.String(), nullable=True),
        sa.Column("line_start", sa.Integer(), nullable=True),
        sa.Column("line_end", sa.Integer(), nullable=True),
        sa.Column("symbol", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org", "memory"], ["memories.org", "memories.id"], name="fk_memory_code_org_memories", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org", "memory", "ordinal", name="pk_memory_code"),
    )
    op.create_index("memory_code_by_path", "memory_code", ["org", "path"], unique=False)

    op.create_table(
        "memory_entities",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("memory", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org", "memory"],
            ["memories.org", "memories.id"],
            name="fk_memory_entities_org_memories",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("org", "memory", "ordinal", name="pk_memory_entities"),
    )
    op.create_index("memory_entities_by_name", "memory_entities", ["org", "name"], unique=False)

    op.create_table(
        "memory_revisions",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("memory", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org", "memory"],
            ["memories.org", "memories.id"],
            name="fk_memory_revisions_org_memories",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("org", "memory", "version", name="pk_memory_revisions"),
    )
    op.create_table(
        "memory_tags",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("memory", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org", "memory"], ["memories.org", "memories.id"], name="fk_memory_tags_org_memories", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org", "memory", "tag", name="pk_memory_tags"),
    )
    op.create_index("memory_tags_by_tag", "memory_tags", ["org", "tag"], unique=False)

    op.create_table(
        "tokens",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["org", "user"], ["users.org", "users.id"], name="fk_tokens_org_users"),
        sa.PrimaryKeyConstraint("org", "id", name="pk_tokens"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("tokens")
    op.drop_table("memory_tags")
    op.drop_table("memory_revisions")
    op.drop_table("memory_entities")
    op.drop_table("memory_code")
    op.drop_table("users")
    op.drop_table("memories")
    op.drop_table("outbox")
    op.drop_table("orgs")
    op.drop_table("idempotency")
