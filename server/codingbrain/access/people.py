"""For whom a verified token stands here: org, user, role, memberships, and whether they were shut out."""

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from loguru import logger

from codingbrain.access.jwt import REFUSED
from codingbrain.access.names import fits
from codingbrain.clock import Clock
from codingbrain.domain.audit import Entry
from codingbrain.errors import ForbiddenError, UnauthenticatedError
from codingbrain.identity.claims import Claims
from codingbrain.identity.grants import Grant, parse
from codingbrain.identity.operator import Operator
from codingbrain.identity.principal import NOBODY, Principal
from codingbrain.identity.roles import Role
from codingbrain.identity.scopes import EVERYDAY
from codingbrain.ids import Mint
from codingbrain.record import audit, callers, clients, users
from codingbrain.record.callers import Caller
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.tables import IdentityRow, UserRow
from codingbrain.record.unit import OperatorRecord, Transaction
from codingbrain.settings import Issuer

OPERATOR: Final = Operator("find the user for whom a token stands")

_STDIO: Final = "stdio"
_STRANGER: Final = "this identity has no user here; ask whoever runs this server for one"


class People:
    """Reads the record once for each verification; `issuers` say what becomes of subjects that are new."""

    def __init__(self, record: SqliteRecord, clock: Clock, mint: Mint, issuers: Iterable[Issuer]) -> None:
        self._record = OperatorRecord(record, OPERATOR)
        self._clock = clock
        self._mint = mint
        self._roles = {issuer.url: issuer.new_users for issuer in issuers}

    async def principal(self, claims: Claims) -> Principal:
        """Whom the claims make of their bearer.

        A subject that is new becomes a user if its issuer lets it, and a client that is new is remembered.

        Raises:
            UnauthenticatedError: token, user or client were shut out or never existed; which one is not said.
            ForbiddenError: the identity provider vouches for somebody who has no user here.
        """
        found = await self._record.read(lambda session: self._admitted(session, claims))
        if found.user == NOBODY or found.new_client:
            found = await self._record.write(lambda session: self._settled(session, claims))
        return _principal(found, claims)

    async def local(self) -> Principal:
        """Whoever may open the data directory: the local owner, over stdio, with what an assistant may hold.

        One that was disabled has no role, and so no scope.
        """
        found = await self._record.read(lambda session: callers.local(session, _STDIO))
        if found.new_client:
            await self._record.write(lambda session: clients.seen(session, found.org, _STDIO, self._clock()))
        roles = frozenset[Role]() if found.refused else _roles(found.role)
        standing = (roles, _grants(found.grants), found.pools, found.pseudonym)
        return Principal(found.org, found.user, found.name, _STDIO, EVERYDAY, *standing)

    def _admitted(self, session: Transaction, claims: Claims) -> Caller:
        found = callers.look(session, claims)
        if found is None or found.refused:
            why = "shut out" if found else "there is no such org, user or token here"
            logger.debug("a token of {} for {} is refused: {}", claims.issuer, claims.org, why)
            raise UnauthenticatedError(REFUSED)
        if found.user == NOBODY and self._roles.get(claims.issuer) is None:
            raise ForbiddenError(_STRANGER)
        return found

    def _settled(self, session: Transaction, claims: Claims) -> Caller:
        # Another request of the same bearer may have come first; writes follow one another.
        found = self._admitted(session, claims)
        if found.user == NOBODY:
            self._welcome(session, found.org, claims)
        clients.seen(session, found.org, claims.client, self._clock())
        return self._admitted(session, claims)

    def _welcome(self, session: Transaction, org: UUID, claims: Claims) -> None:
        at, user = self._clock(), self._mint()
        name = next(name for name in _names(claims, user) if users.named(session, org, name) is None)
        role = self._roles[claims.issuer] or ""
        row = UserRow(org=org, id=user, name=name, role=role, pseudonym=self._mint(), created_at=at, disabled_at=None)
        users.add(session, row)
        who = {"issuer": claims.issuer, "subject": claims.subject}
        users.bind(session, IdentityRow(org=org, user=user, created_at=at, **who))
        about = f"user:{row.pseudonym}"
        audit.add(session, Entry(at, org, "user.add", object=about, actor=row.pseudonym, client=claims.client))


def _names(claims: Claims, user: UUID) -> Iterator[str]:
    """What a new user may be called: never by a name that an operator could have given somebody else.

    Whoever may choose a subject would choose `owner` otherwise, and be meant when an operator says so.
    """
    if fits(name := f"{claims.subject}@{urlsplit(claims.issuer).hostname}"):
        yield name
    yield str(user)


def _principal(found: Caller, claims: Claims) -> Principal:
    roles = _roles(found.role) if claims.roles is None else claims.roles
    standing = (roles, _grants(found.grants) | claims.grants, found.pools, found.pseudonym)
    credential = (claims.jti, claims.issuer, claims.jkt, claims.expires_at)
    return Principal(found.org, found.user, found.name, claims.client, claims.scopes, *standing, *credential)


def _roles(word: str) -> frozenset[Role]:
    """A role that a newer release knows allows nothing here."""
    return frozenset(role for role in Role if role == word)


def _grants(words: Iterable[str]) -> frozenset[Grant]:
    return frozenset(grant for word in words if (grant := parse(word)) is not None)
