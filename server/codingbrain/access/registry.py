"""Orgs, users and clients, as the operator of the server sees and changes them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import anyio

from codingbrain.access.names import checked
from codingbrain.access.tokens import CLIENT, Holder
from codingbrain.clock import Clock, Micros
from codingbrain.domain.audit import Entry
from codingbrain.errors import ConflictError, InvalidArgumentError, NotFoundError
from codingbrain.identity.claims import MAX_TEXT
from codingbrain.identity.grants import parse
from codingbrain.identity.operator import Operator
from codingbrain.identity.roles import Role
from codingbrain.ids import Mint
from codingbrain.record import audit, clients, orgs, users
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.tables import ClientRow, GrantRow, IdentityRow, LinkRow, OrgRow, UserRow
from codingbrain.record.unit import OperatorRecord, Transaction
from codingbrain.settings import Issuer

OPERATOR: Final = Operator("manage orgs, users and clients")


@dataclass(frozen=True, slots=True)
class Org:
    """A tenant and the names of the pools that it may read."""

    id: UUID
    name: str
    pools: tuple[str, ...]
    created_at: Micros


@dataclass(frozen=True, slots=True)
class User:
    """A member of an org; `identities` are `issuer subject`."""

    id: UUID
    name: str
    role: str
    grants: tuple[str, ...]
    identities: tuple[str, ...]
    pseudonym: UUID
    created_at: Micros
    disabled_at: Micros | None


@dataclass(frozen=True, slots=True)
class Client:
    """What has used an org, and whether it still may."""

    name: str
    created_at: Micros
    blocked_at: Micros | None


class Registry:
    """Every act is in the audit log; `changed` is called when a caller's standing may have changed.

    Users and clients are named within the org that is named first. Whatever is not there is a NotFoundError, whatever
    changes nothing a ConflictError.
    """

    def __init__(
        self,
        record: SqliteRecord,
        clock: Clock,
        mint: Mint,
        issuers: Iterable[Issuer],
        changed: Callable[[], None],
    ) -> None:
        self._record = OperatorRecord(record, OPERATOR)
        self._clock = clock
        self._mint = mint
        self._issuers = {issuer.url: issuer.orgs_named for issuer in issuers}
        self._changed = changed

    async def org(self, name: str) -> UUID:
        """The id of the org of this name."""
        return (await self._record.read(lambda session: _org(session, name))).id

    async def missing(self) -> list[str]:
        """Orgs that identity providers speak for and that are not here, so that their tokens are refused."""
        found = {org.name for org in await self.orgs()}
        return sorted({org for named in self._issuers.values() for org in named} - found)

    def check_issuer(self, issuer: str, org: str) -> None:
        """Whether an identity provider could name somebody of this org.

        Raises:
            InvalidArgumentError: it is not configured, or not for this org.
        """
        if (named := self._issuers.get(issuer)) is None:
            known = ", ".join(sorted(self._issuers)) or "there are none in the settings"
            raise InvalidArgumentError(f"issuer: must be one of the configured identity providers: {known}")
        if org not in named:
            raise InvalidArgumentError(f"org: {issuer} does not speak for {org}, but for {', '.join(named)}; see --org")

    async def holder(self, org: str, name: str) -> Holder:
        """The user of this name, as one for whom a token can be issued."""
        found = await self._record.read(lambda session: _user(session, org, name))
        return Holder(found.org, found.id)

    async def orgs(self) -> list[Org]:
        """Every org, by name."""

        def read(session: Transaction) -> list[Org]:
            found, links = orgs.every(session), orgs.links(session)
            names = {row.id: row.name for row in found}
            pools = {row.id: sorted(names[link.pool] for link in links if link.org == row.id) for row in found}
            return [Org(row.id, row.name, tuple(pools[row.id]), row.created_at) for row in found]

        return await self._record.read(read)

    async def users(self, org: str) -> list[User]:
        """Every user of an org, by name."""

        def read(session: Transaction) -> list[User]:
            tenant = _org(session, org).id
            grants, identities = defaultdict[UUID, list[str]](list), defaultdict[UUID, list[str]](list)
            for grant in users.grants(session, tenant):
                grants[grant.user].append(grant.grant)
            for each in users.identities(session, tenant):
                identities[each.user].append(f"{each.issuer} {each.subject}")
            return [_shown(row, grants[row.id], identities[row.id]) for row in users.every(session, tenant)]

        return await self._record.read(read)

    async def clients(self, org: str) -> list[Client]:
        """Every client of an org, by name."""

        def read(session: Transaction) -> list[Client]:
            found = clients.every(session, _org(session, org).id)
            return [Client(row.name, row.created_at, row.blocked_at) for row in found]

        return await self._record.read(read)

    async def create(self, name: str) -> None:
        """Make an org, with nobody in it."""
        row = OrgRow(id=self._mint(), name=checked("org", name), created_at=self._clock())

        def write(session: Transaction) -> None:
            if orgs.named(session, row.name) is not None:
                raise ConflictError(f"there is an org {row.name} already")
            orgs.add(session, row)
            self._note(session, row.id, "org.create", f"org:{row.id}")

        await self._record.write(write)

    async def link(self, org: str, pool: str) -> None:
        """Let the org read what another one, the pool, shares with its own members."""

        def write(session: Transaction) -> None:
            reader, read = _org(session, org), _org(session, pool)
            if reader.id == read.id:
                raise ConflictError("an org cannot be its own pool")
            if not orgs.link(session, LinkRow(org=reader.id, pool=read.id, created_at=self._clock())):
                raise ConflictError(f"{org} reads {pool} already")
            self._note(session, reader.id, "org.link", f"org:{read.id}")

        await self._change(write)

    async def unlink(self, org: str, pool: str) -> None:
        """Take that back."""

        def write(session: Transaction) -> None:
            reader, read = _org(session, org), _org(session, pool)
            if not orgs.unlink(session, reader.id, read.id):
                raise NotFoundError(f"{org} does not read {pool}")
            self._note(session, reader.id, "org.unlink", f"org:{read.id}")

        await self._change(write)

    async def add(self, org: str, name: str, role: str) -> None:
        """Make a user."""
        called, standing = checked("user", name), _role(role)

        def write(session: Transaction) -> None:
            tenant = _org(session, org)
            if users.named(session, tenant.id, called) is not None:
                raise ConflictError(f"there is a user {called} already")
            row = UserRow(
                org=tenant.id,
                id=self._mint(),
                name=called,
                role=standing,
                pseudonym=self._mint(),
                created_at=self._clock(),
                disabled_at=None,
            )
            users.add(session, row)
            self._note(session, row.org, "user.add", f"user:{row.pseudonym}")

        await self._record.write(write)

    async def role(self, org: str, name: str, role: str) -> None:
        """Give a user another role."""
        standing = _role(role)

        def write(session: Transaction, user: UserRow) -> None:
            if user.role == standing:
                raise ConflictError(f"{name} has the role {standing} already")
            _keep_an_owner(session, user)
            users.change(session, user, role=standing)

        await self._change_user(org, name, "user.role", write)

    async def disable(self, org: str, name: str) -> None:
        """Refuse whatever the user brings from now on."""

        def write(session: Transaction, user: UserRow) -> None:
            if user.disabled_at is not None:
                raise ConflictError(f"{name} is disabled already")
            _keep_an_owner(session, user)
            users.change(session, user, disabled_at=self._clock())

        await self._change_user(org, name, "user.disable", write)

    async def enable(self, org: str, name: str) -> None:
        """Let a disabled user in again; tokens that have not expired count again."""

        def write(session: Transaction, user: UserRow) -> None:
            if user.disabled_at is None:
                raise ConflictError(f"{name} is not disabled")
            users.change(session, user, disabled_at=None)

        await self._change_user(org, name, "user.enable", write)

    async def grant(self, org: str, name: str, grant: str) -> None:
        """Make a user a member of a team or project of the org."""
        membership = _grant(grant)

        def write(session: Transaction, user: UserRow) -> None:
            row = GrantRow(org=user.org, user=user.id, grant=membership, created_at=self._clock())
            if not users.grant(session, row):
                raise ConflictError(f"{name} has {membership} already")

        await self._change_user(org, name, "user.grant", write)

    async def ungrant(self, org: str, name: str, grant: str) -> None:
        """End a membership."""
        membership = _grant(grant)

        def write(session: Transaction, user: UserRow) -> None:
            if not users.ungrant(session, user, membership):
                raise NotFoundError(f"{name} does not have {membership}")

        await self._change_user(org, name, "user.ungrant", write)

    async def bind(self, org: str, name: str, issuer: str, subject: str) -> None:
        """Let a subject of an identity provider stand for a user."""
        self.check_issuer(issuer, org)
        if not subject.isprintable() or not 0 < len(subject) <= MAX_TEXT:
            raise InvalidArgumentError(f"subject: 1 to {MAX_TEXT} printable characters")

        def write(session: Transaction, user: UserRow) -> None:
            who = {"issuer": issuer, "subject": subject}
            if not users.bind(session, IdentityRow(org=user.org, user=user.id, created_at=self._clock(), **who)):
                raise ConflictError("this identity stands for a user already")

        await self._change_user(org, name, "user.bind", write)

    async def block(self, org: str, name: str) -> None:
        """Refuse whatever comes through a client from now on."""

        def write(session: Transaction, client: ClientRow) -> None:
            if client.blocked_at is not None:
                raise ConflictError(f"{name} is blocked already")
            clients.block(session, client, self._clock())

        await self._change_client(org, name, "client.block", write)

    async def unblock(self, org: str, name: str) -> None:
        """Let a blocked client in again."""

        def write(session: Transaction, client: ClientRow) -> None:
            if client.blocked_at is None:
                raise ConflictError(f"{name} is not blocked")
            clients.block(session, client, None)

        await self._change_client(org, name, "client.unblock", write)

    async def _change(self, write: Callable[[Transaction], None]) -> None:
        # What is on disk must also count, whether or not somebody still waits for the answer.
        with anyio.CancelScope(shield=True):
            await self._record.write(write)
            self._changed()

    async def _change_user(
        self, org: str, name: str, action: str, write: Callable[[Transaction, UserRow], None]
    ) -> None:
        def change(session: Transaction) -> None:
            user = _user(session, org, name)
            write(session, user)
            self._note(session, user.org, action, f"user:{user.pseudonym}")

        await self._change(change)

    async def _change_client(
        self, org: str, name: str, action: str, write: Callable[[Transaction, ClientRow], None]
    ) -> None:
        def change(session: Transaction) -> None:
            client = clients.named(session, _org(session, org).id, name)
            if client is None:
                raise NotFoundError(f"no client {name} has used {org}")
            write(session, client)
            self._note(session, client.org, action, f"client:{client.name}")

        await self._change(change)

    def _note(self, session: Transaction, org: UUID, action: str, what: str) -> None:
        audit.add(session, Entry(self._clock(), org, action, object=what, client=CLIENT))


def _org(session: Transaction, name: str) -> OrgRow:
    if (found := orgs.named(session, name)) is None:
        raise NotFoundError(f"there is no org {name}")
    return found


def _user(session: Transaction, org: str, name: str) -> UserRow:
    if (found := users.named(session, _org(session, org).id, name)) is None:
        raise NotFoundError(f"there is no user {name} in {org}")
    return found


def _shown(row: UserRow, grants: Sequence[str], identities: Sequence[str]) -> User:
    known = (tuple(grants), tuple(identities))
    return User(row.id, row.name, row.role, *known, row.pseudonym, row.created_at, row.disabled_at)


def _keep_an_owner(session: Transaction, user: UserRow) -> None:
    """An org that had an owner keeps one who can act."""
    last = user.role == Role.OWNER and user.disabled_at is None and users.count(session, user.org, Role.OWNER) == 1
    if last:
        raise ConflictError(f"{user.name} is the last owner of the org; make another user an owner first")


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise InvalidArgumentError(f"role: {word!r} is not one of {', '.join(Role)}") from None


def _grant(word: str) -> str:
    if (found := parse(word)) is None:
        raise InvalidArgumentError(f"{word!r} is not a membership such as team:platform or project:billing")
    return str(found)
