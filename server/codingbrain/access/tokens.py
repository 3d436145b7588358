"""Bearer tokens issued by this install, until an identity provider issues them.

A token is `cbr_<org and id>_<secret>`: the first part finds the row, the secret is 256 random bits of which only
the SHA-256 is stored.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from codingbrain.access.recent import Recent
from codingbrain.clock import DAY, Clock, Micros
from codingbrain.errors import InvalidArgumentError, NotFoundError, UnauthenticatedError
from codingbrain.identity.operator import Operator
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import Scope
from codingbrain.ids import Mint
from codingbrain.record import tokens as rows
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.tables import TokenRow
from codingbrain.record.unit import OperatorRecord

PREFIX: Final = "cbr"
OPERATOR: Final = Operator("find the owner of a token")

_LONGEST: Final = 200
_LONGEST_LIFE: Final = 36_525 * DAY
_REFUSED: Final = "the access token is not valid"


@dataclass(frozen=True, slots=True)
class Issued:
    """A token as its issuer sees it later on; never the token itself."""

    id: UUID
    client: str
    scopes: tuple[str, ...]
    created_at: Micros
    expires_at: Micros | None
    revoked_at: Micros | None


class Tokens:
    """Issues, lists, revokes and verifies tokens of the local user."""

    def __init__(self, record: SqliteRecord, owner: Principal, clock: Clock, mint: Mint) -> None:
        self._record = OperatorRecord(record, OPERATOR)
        self._owner = owner
        self._clock = clock
        self._mint = mint
        self._recent = Recent(clock)

    async def issue(self, client: str, scopes: Iterable[Scope], lifetime: Micros | None) -> tuple[str, Issued]:
        """A new token for the local user, shown this once; `lifetime` of `None` never expires.

        Raises:
            InvalidArgumentError: a lifetime that is not positive, an empty client, or no scope.
        """
        granted = sorted(set(scopes))
        _check(client, granted, lifetime)
        secret, at = secrets.token_urlsafe(32), self._clock()
        row = TokenRow(
            org=self._owner.org,
            id=self._mint(),
            user=self._owner.user,
            client=client,
            scopes=" ".join(granted),
            digest=_digest(secret),
            created_at=at,
            expires_at=None if lifetime is None else at + lifetime,
            revoked_at=None,
        )
        await self._record.write(lambda session: rows.add(session, row))
        locator = base64.urlsafe_b64encode(row.org.bytes + row.id.bytes).decode().rstrip("=")
        return f"{PREFIX}_{locator}.{secret}", _issued(row)

    async def list(self) -> list[Issued]:
        """Every token of the local org, oldest first."""
        org = self._owner.org
        return [_issued(row) for row in await self._record.read(lambda session: rows.every(session, org))]

    async def revoke(self, token: UUID) -> None:
        """End a token; its next use is refused.

        Raises:
            NotFoundError: there is no such token, or it was revoked before.
        """
        org, at = self._owner.org, self._clock()
        if not await self._record.write(lambda session: rows.revoke(session, org, token, at)):
            message = f"there is no live token {token}"
            raise NotFoundError(message)
        self._recent.forget()

    async def verify(self, token: str) -> Principal:
        """Who holds this token.

        Raises:
            UnauthenticatedError: it is malformed, unknown, expired or revoked; which one is not said.
        """
        if (recent := self._recent.get(token)) is not None:
            return recent
        epoch = self._recent.epoch
        org, token_id, secret = _parse(token)
        found = await self._record.read(lambda session: rows.find(session, org, token_id))
        if found is None or not self._live(found[0], secret):
            raise UnauthenticatedError(_REFUSED)
        row, name = found
        known = {scope.value: scope for scope in Scope}
        scopes = frozenset(known[scope] for scope in row.scopes.split() if scope in known)
        principal = Principal(row.org, row.user, name, row.client, scopes, row.id, row.expires_at)
        self._recent.put(token, principal, epoch)
        return principal

    def _live(self, row: TokenRow, secret: str) -> bool:
        in_time = row.expires_at is None or self._clock() < row.expires_at
        return hmac.compare_digest(row.digest, _digest(secret)) and in_time and row.revoked_at is None


def _check(client: str, scopes: list[Scope], lifetime: Micros | None) -> None:
    if not client.strip() or not client.isprintable() or len(client) > _LONGEST:
        message = f"client: a name of 1 to {_LONGEST} printable characters, so that the token can be told from others"
        raise InvalidArgumentError(message)
    if not scopes:
        message = "scope: at least one is needed"
        raise InvalidArgumentError(message)
    if lifetime is not None and not 0 < lifetime <= _LONGEST_LIFE:
        message = "expires: must lie in the future, and within 100 years"
        raise InvalidArgumentError(message)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _parse(token: str) -> tuple[UUID, UUID, str]:
    head, _, secret = token[:_LONGEST].partition(".")
    prefix, _, locator = head.partition("_")
    try:
        raw = base64.b64decode(locator + "=" * (-len(locator) % 4), altchars=b"-_", validate=True)
        if prefix != PREFIX or not secret:
            raise UnauthenticatedError(_REFUSED)
        return UUID(bytes=raw[:16]), UUID(bytes=raw[16:]), secret
    except (binascii.Error, ValueError):
        raise UnauthenticatedError(_REFUSED) from None


def _issued(row: TokenRow) -> Issued:
    return Issued(row.id, row.client, tuple(row.scopes.split()), row.created_at, row.expires_at, row.revoked_at)
