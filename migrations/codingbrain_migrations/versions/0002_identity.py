"""Roles, identities, grants, clients, signed tokens, the audit log, rate limits, and sharing of memories."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from loguru import logger

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = "seq, org, at, actor, client, action, object, outcome, times, request_id"
_REFUSED = "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
_KEPT = (
    "CREATE TRIGGER audit_kept BEFORE DELETE ON audit",
    f"CREATE TRIGGER audit_unchanged BEFORE UPDATE OF {_COLUMNS} ON audit",
    "CREATE TRIGGER audit_sealed_once BEFORE UPDATE OF seal ON audit WHEN OLD.seal IS NOT NULL",
    "CREATE TRIGGER audit_seals_kept BEFORE DELETE ON audit_seals",
    "CREATE TRIGGER audit_seals_unchanged BEFORE UPDATE ON audit_seals",
)
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema forward."""
    # Tokens were secrets of which a digest was kept; those cannot become signed ones. They go before the users are
    # changed: SQLite builds that table anew, which nothing may refer to then.
    _end_tokens()
    _users()
    _people()
    _credentials()
    _audit()
    op.add_column("memories", sa.Column("target", sa.String(), nullable=True))


def _end_tokens() -> None:
    ended = op.get_bind().execute(sa.text("SELECT count(*) FROM tokens WHERE revoked_at IS NULL")).scalar()
    if ended:
        logger.warning("{} access tokens of the former release end with this one; issue them again", ended)
    op.drop_table("tokens")


def _users() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("role", sa.String(), nullable=True))
        users.add_column(sa.Column("pseudonym", sa.Uuid(), nullable=True))
        users.add_column(sa.Column("disabled_at", sa.BigInteger(), nullable=True))
    table = sa.table(
        "users",
        sa.column("org", sa.Uuid()),
        sa.column("id", sa.Uuid()),
        sa.column("role", sa.String()),
        sa.column("pseudonym", sa.Uuid()),
    )
    connection = op.get_bind()
    for org, id_ in connection.execute(sa.select(table.c.org, table.c.id)).all():
        # Until now there was one user, the owner of an embedded install.
        row = sa.update(table).where(table.c.org == org, table.c.id == id_)
        connection.execute(row.values(role="owner", pseudonym=uuid4()))
    with op.batch_alter_table("users") as users:
        users.alter_column("role", existing_type=sa.String(), nullable=False)
        users.alter_column("pseudonym", existing_type=sa.Uuid(), nullable=False)


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["org", "user"], ["users.org", "users.id"], name=f"fk_{table}_org_users")


def _of_org(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["org"], ["orgs.id"], name=f"fk_{table}_org_orgs")


def _people() -> None:
    op.create_table(
        "org_links",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("pool", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _of_org("org_links"),
        sa.ForeignKeyConstraint(["pool"], ["orgs.id"], name="fk_org_links_pool_orgs"),
        sa.PrimaryKeyConstraint("org", "pool", name="pk_org_links"),
    )
    op.create_table(
        "identities",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _of_user("identities"),
        sa.PrimaryKeyConstraint("org", "issuer", "subject", name="pk_identities"),
    )
    op.create_index("identities_of", "identities", ["org", "user"], unique=False)
    op.create_table(
        "grants",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("grant", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _of_user("grants"),
        sa.PrimaryKeyConstraint("org", "user", "grant", name="pk_grants"),
    )
    op.create_table(
        "clients",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("blocked_at", sa.BigInteger(), nullable=True),
        _of_org("clients"),
        sa.PrimaryKeyConstraint("org", "name", name="pk_clients"),
    )


def _credentials() -> None:
    op.create_table(
        "tokens",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("jkt", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        _of_user("tokens"),
        sa.PrimaryKeyConstraint("org", "id", name="pk_tokens"),
    )
    op.create_table(
        "denied_tokens",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("jti", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        _of_org("denied_tokens"),
        sa.PrimaryKeyConstraint("org", "issuer", "jti", name="pk_denied_tokens"),
    )
    op.create_table(
        "rate_limits",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("burst", sa.String(), nullable=False),
        sa.Column("sustained", sa.String(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        _of_org("rate_limits"),
        sa.PrimaryKeyConstraint("org", "subject", name="pk_rate_limits"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Uuid(), nullable=True),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("seal", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("audit_of", "audit", ["org", "seq"], unique=False)
    op.create_index("audit_unsealed", "audit", ["org", "seal", "seq"], unique=False)
    op.create_table(
        "audit_seals",
        sa.Column("org", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org", "number", name="pk_audit_seals"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in _KEPT:
            op.execute(f"{trigger} {_REFUSED}")


def downgrade() -> None:
    """Take it back."""
    for table in ("audit_seals", "audit", "rate_limits", "denied_tokens", "tokens", "clients", "grants", "identities"):
        op.drop_table(table)
    op.drop_table("org_links")
    op.drop_column("memories", "target")
    with op.batch_alter_table("users") as users:
        for column in ("disabled_at", "pseudonym", "role"):
            users.drop_column(column)
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
        _of_user("tokens"),
        sa.PrimaryKeyConstraint("org", "id", name="pk_tokens"),
    )
