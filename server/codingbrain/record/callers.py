"""All that the record knows of a caller, in one look at each request that is not remembered."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, bindparam, label, null, select
from sqlmodel import Session, col

from codingbrain.errors import StorageCorruptError
from codingbrain.identity.claims import Claims
from codingbrain.identity.principal import NOBODY
from codingbrain.record.orgs import LOCAL_ORG, LOCAL_USER
from codingbrain.record.tables import ClientRow, DeniedRow, GrantRow, IdentityRow, LinkRow, OrgRow, TokenRow, UserRow


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of an org behind a client; `NOBODY` if the org has no such user.

    `refused` says that the user, the client or the token was shut out.
    """

    org: UUID
    user: UUID
    name: str
    role: str
    pseudonym: UUID
    refused: bool
    new_client: bool
    grants: tuple[str, ...]
    pools: frozenset[UUID]


# Built once: building them costs more than running them.
_CLIENT: Final = (col(ClientRow.org) == col(OrgRow.id)) & (col(ClientRow.name) == bindparam("client"))
_COLUMNS: Final[tuple[Any, ...]] = (
    label("org", col(OrgRow.id)),
    label("user", col(UserRow.id)),
    col(UserRow.name),
    col(UserRow.role),
    col(UserRow.pseudonym),
    col(UserRow.disabled_at),
    label("client_since", col(ClientRow.created_at)),
    col(ClientRow.blocked_at),
)
_TOKEN: Final[Executable] = (
    select(*_COLUMNS, label("ended", col(TokenRow.revoked_at)))
    .join(UserRow, col(UserRow.org) == col(OrgRow.id))
    .join(TokenRow, (col(TokenRow.org) == col(UserRow.org)) & (col(TokenRow.user) == col(UserRow.id)))
    .outerjoin(ClientRow, _CLIENT)
    .where(
        col(OrgRow.id) == bindparam("org"),
        col(UserRow.id) == bindparam("user"),
        col(TokenRow.id) == bindparam("token"),
        col(TokenRow.client) == bindparam("client"),
    )
)
_IDENTITY: Final[Executable] = (
    select(*_COLUMNS, label("ended", col(DeniedRow.created_at)))
    .select_from(OrgRow)
    .outerjoin(
        IdentityRow,
        (col(IdentityRow.org) == col(OrgRow.id))
        & (col(IdentityRow.issuer) == bindparam("issuer"))
        & (col(IdentityRow.subject) == bindparam("subject")),
    )
    .outerjoin(UserRow, (col(UserRow.org) == col(IdentityRow.org)) & (col(UserRow.id) == col(IdentityRow.user)))
    .outerjoin(ClientRow, _CLIENT)
    .outerjoin(
        DeniedRow,
        (col(DeniedRow.org) == col(OrgRow.id))
        & (col(DeniedRow.issuer) == bindparam("issuer"))
        & (col(DeniedRow.jti) == bindparam("jti")),
    )
    .where(col(OrgRow.name) == bindparam("org"))
)
_LOCAL: Final[Executable] = (
    select(*_COLUMNS, label("ended", null()))
    .join(UserRow, col(UserRow.org) == col(OrgRow.id))
    .outerjoin(ClientRow, _CLIENT)
    .where(col(OrgRow.name) == LOCAL_ORG, col(UserRow.name) == LOCAL_USER)
)
_GRANTS: Final = select(col(GrantRow.grant)).where(
    col(GrantRow.org) == bindparam("org"), col(GrantRow.user) == bindparam("user")
)
_POOLS: Final = select(col(LinkRow.pool)).where(col(LinkRow.org) == bindparam("org"))


def look(session: Session, claims: Claims) -> Caller | None:
    """Who the subject of a token is in its org.

    For a token that was signed here it is `None` unless the org, the user and such a token of theirs exist; for one of
    an identity provider, if there is no such org.
    """
    if not claims.local:
        who = {"issuer": claims.issuer, "subject": claims.subject, "jti": claims.jti}
        return _caller(session, _IDENTITY, {"org": claims.org, "client": claims.client, **who})
    try:
        which = {"org": UUID(claims.org), "user": UUID(claims.subject), "token": UUID(claims.jti)}
    except ValueError:
        return None
    return _caller(session, _TOKEN, {"client": claims.client, **which})


def local(session: Session, client: str) -> Caller:
    """Who the local owner is behind a client; the runtime has set that user up."""
    if (found := _caller(session, _LOCAL, {"client": client})) is None:
        raise StorageCorruptError("the database has lost the local owner; restore a backup")
    return found


def _caller(session: Session, query: Executable, key: dict[str, Any]) -> Caller | None:
    connection = session.connection()
    row = connection.execute(query, key).first()
    if row is None:
        return None
    return Caller(
        row.org,
        row.user or NOBODY,
        row.name or "",
        row.role or "",
        row.pseudonym or NOBODY,
        any(ended is not None for ended in (row.disabled_at, row.blocked_at, row.ended)),
        row.client_since is None,
        tuple(connection.execute(_GRANTS, {"org": row.org, "user": row.user}).scalars()),
        frozenset(connection.execute(_POOLS, {"org": row.org}).scalars()),
    )
