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
from codingbrain.errors import CodingbrainError
from codingbrain.identity.operator import Operator
from codingbrain.identity.principal import Principal
from codingbrain.record import audit
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import OperatorRecord, Transaction
from codingbrain.telemetry.context import request_id

OPERATOR: Final = Operator("write and seal the audit log")
DROPPED: Final = "audit.dropped"

WRITE_SECONDS: Final = 1.0
"""How long a refusal waits for others like it."""

SEAL_SECONDS: Final = 5.0

MOST_OF_ORG: Final = 32
"""Different refusals that one org gets into the log at each writing; what goes beyond is counted."""

MOST: Final = 256
"""The same for all orgs together."""

_LONGEST: Final = 200
_LAST_SECONDS: Final = 10.0

_Kind = tuple[UUID, UUID | None, str | None, str, str | None, str]


class Trail:
    """Takes refusals as they come, merges equal ones, and seals the log with `key`; one for each process."""

    def __init__(self, record: SqliteRecord, key: bytes, clock: Clock) -> None:
        self._record = OperatorRecord(record, OPERATOR)
        self._key = key
        self._clock = clock
        self._pending: dict[_Kind, Entry] = {}
        self._of: Counter[UUID] = Counter()
        self._dropped: Counter[UUID] = Counter()
        self._due = anyio.Event()
        self._writable = True

    def denied(self, principal: Principal | None, action: str, outcome: str, about: str | None = None) -> None:
        """`refused`, for what a caller, if they are known, was just denied."""
        who = (NO_ORG, None, None) if principal is None else (principal.org, principal.pseudonym, principal.client)
        org, actor, client = who
        self.refused(Entry(self._clock(), org, action, outcome, about, actor, client, request_id.get() or None))

    def refused(self, entry: Entry) -> None:
        """Note what did not happen; never raises. It is in memory only until it is written, a moment later."""
        entry = _tame(entry)
        kind = (entry.org, entry.actor, entry.client, entry.action, entry.object, entry.outcome)
        if (same := self._pending.get(kind)) is not None:
            self._pending[kind] = replace(same, times=same.times + entry.times)
        elif len(self._pending) >= MOST:
            self._dropped[NO_ORG] += entry.times
        elif self._of[entry.org] >= MOST_OF_ORG:
            self._dropped[entry.org] += entry.times
        else:
            self._pending[kind] = entry
            self._of[entry.org] += 1
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

    def _taken(self) -> list[Entry]:
        dropped = [Entry(self._clock(), org, DROPPED, "dropped", times=times) for org, times in self._dropped.items()]
        entries = [*self._pending.values(), *dropped]
        if entries:
            self._pending, self._of, self._dropped, self._due = {}, Counter(), Counter(), anyio.Event()
        return entries

    def _keep(self, entry: Entry) -> None:
        if entry.action == DROPPED:
            self._dropped[entry.org] += entry.times
            self._due.set()
        else:
            self.refused(entry)


def _tame(entry: Entry) -> Entry:
    """An entry without anything long or unprintable that a caller may have put into a name."""
    texts = {"action": entry.action, "object": entry.object, "client": entry.client, "request_id": entry.request_id}
    wild = {name: _short(text) for name, text in texts.items() if text and not _is_tame(text)}
    return replace(entry, **wild) if wild else entry


def _is_tame(text: str) -> bool:
    return len(text) <= _LONGEST and text.isprintable()


def _short(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])
