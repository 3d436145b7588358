"""Access tokens: signing those of this install, and ending them and those of identity providers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import anyio
import anyio.to_thread

from codingbrain.access.keyring import Keyring, SigningKey
from codingbrain.access.names import checked
from codingbrain.clock import DAY, SECOND, Clock, Micros
from codingbrain.domain.audit import NO_ORG, Entry
from codingbrain.errors import ConflictError, InvalidArgumentError, NotFoundError
from codingbrain.identity.claims import MAX_TEXT
from codingbrain.identity.operator import Operator
from codingbrain.identity.roles import Role, allowed
from codingbrain.identity.scopes import EVERYDAY, Scope
from codingbrain.ids import Mint
from codingbrain.record import audit, clients, users
from codingbrain.record import tokens as rows
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.tables import DeniedRow, TokenRow, UserRow
from codingbrain.record.unit import OperatorRecord, Transaction

OPERATOR: Final = Operator("issue and revoke tokens")
CLIENT: Final = "cli"
"""What the audit log names where the operator at the machine acts."""

LIFETIME: Final = 90 * DAY
LONGEST: Final = 3_650 * DAY

_LAST: Final = 253_402_300_799 * SECOND
"""The end of the year 9999, beyond which no token is taken: when a denied one would have expired is not known."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a token is to be."""

    org: UUID
    user: UUID


@dataclass(frozen=True, slots=True)
class Issued:
    """A token as its issuer sees it later on; never the token itself."""

    id: UUID
    user: str
    client: str
    scopes: tuple[str, ...]
    jkt: str | None
    created_at: Micros
    expires_at: Micros
    revoked_at: Micros | None


@dataclass(frozen=True, slots=True)
class Signer:
    """What makes a token one of this install: its key, and the `origin` for which it is meant."""

    keyring: Keyring
    origin: str
    clock: Clock
    mint: Mint


class Tokens:
    """Issues, lists and revokes; `changed` is called when a token that was good may not be any more."""

    def __init__(self, record: SqliteRecord, owner: Holder, signer: Signer, changed: Callable[[], None]) -> None:
        self._record = OperatorRecord(record, OPERATOR)
        self._owner = owner
        self._signer = signer
        self._changed = changed

    async def issue(
        self,
        client: str,
        scopes: Iterable[Scope] | None = None,
        lifetime: Micros | None = None,
        *,
        user: Holder | None = None,
        jkt: str | None = None,
    ) -> tuple[str, Issued]:
        """A new token, shown this once: for the local owner unless `user` says otherwise, bound to the key `jkt`.

        Without `scopes` it carries what an assistant may hold and the user's role allows; without `lifetime` it
        lasts 90 days.

        Raises:
            NotFoundError: there is no such user.
            ConflictError: the user is disabled, or the client blocked.
            InvalidArgumentError: the client's name, a scope that the role does not allow, no scope, or the lifetime.
        """
        name, life = checked("client", client), _whole(LIFETIME if lifetime is None else lifetime)
        asked = None if scopes is None else frozenset(scopes)
        at = self._signer.clock() // SECOND * SECOND
        times: dict[str, Any] = {"created_at": at, "expires_at": at + life, "revoked_at": None}
        id_ = self._signer.mint()

        def write(session: Transaction) -> tuple[TokenRow, str]:
            owner = _bearer(session, user or self._owner, name, at)
            granted = " ".join(sorted(_granted(asked, owner)))
            row = TokenRow(org=owner.org, id=id_, user=owner.id, client=name, scopes=granted, jkt=jkt, **times)
            rows.add(session, row)
            audit.add(session, Entry(at, row.org, "token.issue", object=f"token:{id_}", client=CLIENT))
            return row, owner.name

        row, owner = await self._record.write(write)
        return self._signed(row), _issued(row, owner)

    async def list(self, org: UUID | None = None) -> list[Issued]:
        """Every token of the org, oldest first; of the local org, if none is named."""
        found = await self._record.read(lambda session: rows.every(session, org or self._owner.org))
        return [_issued(row, name) for row, name in found]

    async def revoke(self, token: UUID, *, org: UUID | None = None) -> None:
        """End a token that was signed here; its next use is refused.

        Raises:
            NotFoundError: the org has no such token, or it was revoked before.
        """
        whose, at = org or self._owner.org, self._signer.clock()

        def write(session: Transaction) -> None:
            if not rows.revoke(session, whose, token, at):
                raise NotFoundError(f"there is no live token {token}")
            audit.add(session, Entry(at, whose, "token.revoke", object=f"token:{token}", client=CLIENT))

        await self._change(write)

    async def deny(self, issuer: str, jti: str, *, org: UUID | None = None) -> None:
        """End an identity provider's token by its `jti`, whether or not it was seen here yet.

        Raises:
            InvalidArgumentError: no token that is taken has such an issuer or id.
            ConflictError: it was ended before.
        """
        whose, at = org or self._owner.org, self._signer.clock()
        for what, text in (("issuer", issuer), ("jti", jti)):
            if not (text.isprintable() and 0 < len(text) <= MAX_TEXT):
                raise InvalidArgumentError(f"{what}: 1 to {MAX_TEXT} printable characters")
        row = DeniedRow(org=whose, issuer=issuer, jti=jti, created_at=at, expires_at=_LAST)

        def write(session: Transaction) -> None:
            if not rows.deny(session, row):
                raise ConflictError("this token was revoked before")
            audit.add(session, Entry(at, whose, "token.revoke", object=f"jti:{jti}", client=CLIENT))

        await self._change(write)

    def signing(self) -> tuple[SigningKey, ...]:
        """With which keys tokens are or were signed here, oldest first."""
        return self._signer.keyring.listed()

    async def rotate(self, *, drop: bool = False) -> None:
        """Sign with a new key from now on; `drop` ends every token of this install, in all orgs.

        Raises:
            StorageError: nothing changed, or all but the list of tokens and the audit log did.
        """
        at = self._signer.clock()

        def write(session: Transaction) -> None:
            if drop:
                rows.revoke_all(session, at)
            newest = self._signer.keyring.listed()[-1].kid
            audit.add(session, Entry(at, NO_ORG, "keys.rotate", object=f"key:{newest}", client=CLIENT))

        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(self._signer.keyring.rotate, drop=drop))
        await self._change(write)

    async def _change(self, write: Callable[[Transaction], None]) -> None:
        # What is on disk must also count, whether or not somebody still waits for the answer.
        with anyio.CancelScope(shield=True):
            await self._record.write(write)
            self._changed()

    def _signed(self, row: TokenRow) -> str:
        install = self._signer.keyring.install
        claims: dict[str, Any] = {
            "iss": install,
            "aud": [self._signer.origin, install],
            "sub": str(row.user),
            "org": str(row.org),
            "client_id": row.client,
            "scope": row.scopes,
            "jti": str(row.id),
            "iat": row.created_at // SECOND,
            "exp": row.expires_at // SECOND,
        }
        return self._signer.keyring.sign(claims if row.jkt is None else {**claims, "cnf": {"jkt": row.jkt}})


def _whole(lifetime: Micros) -> Micros:
    """In whole seconds, as it stands in the token."""
    if not 0 < lifetime <= LONGEST:
        raise InvalidArgumentError(f"expires: must lie in the future, and within {LONGEST // DAY} days")
    return lifetime // SECOND * SECOND


def _bearer(session: Transaction, whose: Holder, client: str, at: Micros) -> UserRow:
    if (found := users.get(session, whose.org, whose.user)) is None:
        raise NotFoundError("there is no such user")
    if found.disabled_at is not None:
        raise ConflictError(f"the user {found.name} is disabled")
    if clients.seen(session, found.org, client, at).blocked_at is not None:
        raise ConflictError(f"the client {client} is blocked")
    return found


def _granted(asked: frozenset[Scope] | None, owner: UserRow) -> frozenset[Scope]:
    """A token that could do less than it says would mislead."""
    possible = allowed(role for role in Role if role == owner.role)
    granted = EVERYDAY & possible if asked is None else asked
    if beyond := sorted(granted - possible):
        raise InvalidArgumentError(f"scope: the role {owner.role} of {owner.name} does not allow {', '.join(beyond)}")
    if not granted:
        raise InvalidArgumentError("scope: at least one is needed")
    return granted


def _issued(row: TokenRow, user: str) -> Issued:
    scopes = tuple(row.scopes.split())
    return Issued(row.id, user, row.client, scopes, row.jkt, row.created_at, row.expires_at, row.revoked_at)
