"""The way into the audit log for what has no transaction of its own, and the sealing of all that is in it."""

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import UUID

import anyio
from loguru import logger

from codingbrain.access import chain
from codingbrain.access.chain import Place
from codingbrain.clock import Clock
from codingbrain.domain.audit import NO_ORG, Entry
from codingbrain.errors import CodingbrainError, NotFoundError
from codingbrain.identity.operator import Operator
from codingbrain.identity.principal import Principal
from codingbrain.record import audit
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import OperatorRecord, Transaction
from codingbrain.telemetry.context import audited_id

OPERATOR: Final = Operator("write and seal the audit log")
DROPPED: Final = "audit.dropped"

WRITE_SECONDS: Final = 1.0
"""How long a refusal waits for others like it."""

SEAL_SECONDS: Final = 5.0

MOST_OF_ACTOR: Final = 8
"""Different refusals of one user that get into the log at each writing; what goes beyond is counted.

This and the next two hold for the refusals of gate and guard, and once more for failed items.
"""

MOST_OF_ORG: Final = 32
"""The same for all users of one org; only the first of each user is taken beyond it."""

MOST: Final = 128
"""The same for all orgs together."""

MOST_UNKNOWN: Final = 32
"""The same for callers without a principal, whose places nobody else can take."""

_ITEM: Final = "memory."
"""How the action of a failed item begins; gate and guard name a tool, a route or `auth`."""

_LONGEST: Final = 200
_LAST_SECONDS: Final = 10.0

_Kind = tuple[UUID, UUID | None, str | None, str, str | None, str]
_Share = tuple[bool | UUID | None, ...]


class Trail:
    """Takes refusals as they come, merges equal ones, and seals the log with `key`; one for each process."""

    def __init__(self, record: SqliteRecord, key: bytes, clock: Clock) -> None:
        self._record = OperatorRecord(record, OPERATOR)
        self._key = key
        self._clock = clock
        self._pending: dict[_Kind, Entry] = {}
        self._of: Counter[_Share] = Counter()
        self._dropped: Counter[tuple[UUID, UUID | None]] = Counter()
        self._due = anyio.Event()
        self._writable = True

    def denied(self, principal: Principal | None, action: str, outcome: str, about: str | None = None) -> None:
        """`refused`, for what a caller, if they are known, was just denied."""
        who = (NO_ORG, None, None) if principal is None else (principal.org, principal.pseudonym, principal.client)
        org, actor, client = who
        self.refused(Entry(self._clock(), org, action, outcome, about, actor, client, audited_id()))

    def refused(self, entry: Entry) -> None:
        """Note what did not happen; never raises. It is in memory only until it is written, a moment later."""
        entry = _tame(entry)
        kind = (entry.org, entry.actor, entry.client, entry.action, entry.object, entry.outcome)
        if (same := self._pending.get(kind)) is not None:
            self._pending[kind] = replace(same, times=same.times + entry.times)
        elif (whose := self._full(entry)) is not None:
            self._dropped[whose] += entry.times
        else:
            self._pending[kind] = entry
            self._of.update(_shares(entry))
        self._due.set()

    async def run(self) -> None:
        """Write each second and seal every few, until cancelled; then write and seal what is left."""
        try:
            while True:
                await self.seal()
                with anyio.move_on_after(SEAL_SECONDS):
                    while True:
                        await self._due.wait()
                        await anyio.sleep(WRITE_SECONDS)
                        await self.write()
        finally:
            with anyio.move_on_after(_LAST_SECONDS, shield=True):
                await self.write()
                await self.seal()

    async def write(self) -> None:
        """Put what waits into the log; if the record cannot take it, it goes on waiting."""
        if not (entries := self._taken()):
            return
        try:
            # Cut off halfway, it could not be told whether the entries are in.
            with anyio.CancelScope(shield=True):
                await self._record.write(lambda session: audit.add_all(session, entries))
            self._writable = True
        except CodingbrainError as error:
            if self._writable:
                logger.error("refusals cannot be written to the audit log yet: {}", error.message)
            self._writable = False
            for entry in (*entries, *self._taken()):
                self._keep(entry)
        except Exception:  # noqa: BLE001 - a worker loop: one entry that no record takes must not stop the server
            logger.exception("{} entries of the audit log are lost", len(entries))

    async def seal(self) -> None:
        """Seal whatever has no seal yet; if that cannot be done now, the next time does it."""
        try:
            for org in await self._record.read(audit.waiting):
                while await self._record.write(partial(self._seal_some, org)) == chain.MOST:
                    pass
        except CodingbrainError as error:
            logger.warning("the audit log could not be sealed and will be: {}", error.message)
        except Exception:  # noqa: BLE001 - a worker loop: the server goes on, and so does the log
            logger.exception("the audit log could not be sealed")

    def _seal_some(self, org: UUID, session: Transaction) -> int:
        if lines := audit.unsealed(session, org, chain.MOST):
            last = audit.newest(session, org)
            place = Place(org) if last is None else Place(org, last.number, last.digest)
            audit.seal(session, chain.link(self._key, place, lines, self._clock()))
        return len(lines)

    def _full(self, entry: Entry) -> tuple[UUID, UUID | None] | None:
        """The org and, if they alone are to blame, the user whose share is used up; nothing while there is a place."""
        used = [self._of[share] for share in _shares(entry)]
        match used:
            case [unknown]:
                return (NO_ORG, None) if unknown >= MOST_UNKNOWN else None
            case [own, _, _] if own >= MOST_OF_ACTOR:
                return entry.org, entry.actor
            case [own, of_org, _] if own and of_org >= MOST_OF_ORG:
                return entry.org, None
            case _:
                return (NO_ORG, None) if used[-1] >= MOST else None

    def _taken(self) -> list[Entry]:
        dropped = [
            Entry(self._clock(), org, DROPPED, "dropped", actor=actor, times=times)
            for (org, actor), times in self._dropped.items()
        ]
        entries = [*self._pending.values(), *dropped]
        if entries:
            self._pending, self._of, self._dropped, self._due = {}, Counter(), Counter(), anyio.Event()
        return entries

    def _keep(self, entry: Entry) -> None:
        if entry.action == DROPPED:
            self._dropped[entry.org, entry.actor] += entry.times
            self._due.set()
        else:
            self.refused(entry)


def _shares(entry: Entry) -> list[_Share]:
    """What an entry takes a place of: its user's, its org's and everybody's share of its sort."""
    if entry.org == NO_ORG:
        return [(NO_ORG,)]
    item = entry.action.startswith(_ITEM)
    return [(item, entry.org, entry.actor), (item, entry.org), (item,)]


def _tame(entry: Entry) -> Entry:
    """An entry without what a caller made up: an object that is not there, anything long or unprintable in a name."""
    if entry.outcome == NotFoundError.code and entry.action.startswith(_ITEM):
        entry = replace(entry, object=None)
    texts = {"action": entry.action, "object": entry.object, "client": entry.client, "request_id": entry.request_id}
    wild = {name: _short(text) for name, text in texts.items() if text and not _is_tame(text)}
    return replace(entry, **wild) if wild else entry


def _is_tame(text: str) -> bool:
    return len(text) <= _LONGEST and text.isprintable()


def _short(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])
