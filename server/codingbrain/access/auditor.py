"""Reading the audit log, its lines and whether its chains are whole; each reading is logged before it happens."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from codingbrain.access import chain
from codingbrain.access.chain import Break, Fault, Place
from codingbrain.access.tokens import CLIENT
from codingbrain.clock import Clock, to_iso
from codingbrain.domain.audit import NO_ORG, Entry, Line, Link, Sought
from codingbrain.identity.operator import Operator
from codingbrain.identity.principal import Principal
from codingbrain.record import audit
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import OperatorRecord, Transaction
from codingbrain.retrieval.cursor import Seal
from codingbrain.telemetry.context import audited_id

OPERATOR: Final = Operator("read and verify the audit log")
READ: Final = "audit.read"
VERIFY: Final = "audit.verify"

STRETCH: Final = 50_000
"""Entries and seals that are verified at a time: about half a second."""

_LINKS: Final = 200
_LINES: Final = 4_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """How far a chain was followed, and what was found there.

    `heads` are the digests, of those that were asked about, that stand in this part. Unless `done`, there is more.
    """

    place: Place
    broken: Break | None = None
    heads: frozenset[str] = frozenset()
    unsealed: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, newest first; a page may hold none while a cursor leads to more."""

    lines: Sequence[Line]
    cursor: str | None


def told(entry: Entry) -> dict[str, object]:
    """An entry as every face shows it, as JSON values; whose chain it is in goes without saying."""
    return {
        "at": to_iso(entry.at),
        "actor": None if entry.actor is None else str(entry.actor),
        "client": entry.client,
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome,
        "times": entry.times,
        "request_id": entry.request_id,
    }


class Auditor:
    """Reads all chains; `key` is the one under which they were sealed, `stretch` how much is verified at a time."""

    def __init__(self, record: SqliteRecord, key: bytes, clock: Clock, stretch: int = STRETCH) -> None:
        self._record = OperatorRecord(record, OPERATOR)
        self._key = key
        self._clock = clock
        self._most = stretch

    async def chains(self) -> Mapping[UUID, str | None]:
        """Every chain and the name of its org, if it has one."""
        return await self._record.read(audit.chains)

    async def page(
        self, org: UUID | None, sought: Sought, before: int | None, limit: int
    ) -> tuple[list[Line], int | None]:
        """Lines of one chain, or of all, below `seq` `before`, newest first; and below which there are more."""
        return await self._record.read(lambda session: audit.page(session, org, sought, before, limit))

    async def follow(self, place: Place, heads: Iterable[str] = ()) -> Stretch:
        """Verify the next part of a chain, as it stands at this moment."""
        wanted = frozenset(heads)
        return await self._record.read(lambda session: self._stretch(session, place, wanted))

    async def note(self, action: str, principal: Principal | None, org: UUID = NO_ORG) -> None:
        """Log a reading by a caller, or, without one, by the operator at the machine."""
        who = (org, None, CLIENT) if principal is None else (principal.org, principal.pseudonym, principal.client)
        org, actor, client = who
        entry = Entry(self._clock(), org, action, actor=actor, client=client, request_id=audited_id())
        await self._record.write(lambda session: audit.add(session, entry))

    def _stretch(self, session: Transaction, place: Place, wanted: frozenset[str]) -> Stretch:
        end, found = place.number + place.entries + self._most, set[str]()
        while place.number + place.entries < end:
            links = _some(audit.links(session, place.org, place.number, _LINKS))
            if not links:
                stray = audit.stray(session, place.org, place.number)
                broken = Break(stray.seal or 0, Fault.SEAL_UNKNOWN, stray.seq, stray.seq) if stray else None
                waiting = audit.pending(session, place.org)
                return Stretch(place, broken, frozenset(found), waiting, done=True)
            most = min(sum(link.entries for link in links), 2 * _LINES) + 1
            lines = audit.sealed(session, place.org, links[0].number, links[-1].number, most)
            place, broken = chain.follow(self._key, place, links, lines)
            whole = {link.digest.hex() for link in links if link.number <= place.number}
            found |= wanted & whole
            if broken is not None:
                return Stretch(place, broken, frozenset(found), audit.pending(session, place.org), done=True)
        return Stretch(place, None, frozenset(found))


class Review:
    """The audit log of one principal's own org."""

    def __init__(self, auditor: Auditor, seal: Seal, principal: Principal) -> None:
        self._auditor = auditor
        self._seal = seal
        self._principal = principal

    async def page(self, sought: Sought, limit: int, cursor: str | None) -> Page:
        """Lines, newest first.

        Raises:
            InvalidCursorError: the cursor is not for this caller and what is sought.
        """
        asked = (READ, sought)
        before = int(self._seal.open(self._principal, asked, cursor)) if cursor else None
        await self._auditor.note(READ, self._principal)
        lines, more = await self._auditor.page(self._principal.org, sought, before, limit)
        return Page(lines, None if more is None else self._seal.seal(self._principal, asked, more))

    async def verify(self, cursor: str | None) -> tuple[Stretch, str | None]:
        """The next part of the chain, and the cursor to the rest.

        Raises:
            InvalidCursorError: the cursor is not for this caller.
        """
        place = Place(self._principal.org)
        if cursor:
            number, digest, entries = self._seal.open(self._principal, VERIFY, cursor)
            place = Place(self._principal.org, number, bytes.fromhex(digest), entries)
        else:
            await self._auditor.note(VERIFY, self._principal)
        found = await self._auditor.follow(place)
        rest = [found.place.number, found.place.digest.hex(), found.place.entries]
        return found, None if found.done else self._seal.seal(self._principal, VERIFY, rest)


def _some(links: Sequence[Link]) -> Sequence[Link]:
    """As many as hold a batch of entries together; one at least."""
    total, count = 0, 0
    for link in links:
        total += link.entries
        count += 1
        if total >= _LINES:
            break
    return links[:count]
