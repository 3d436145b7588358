"""What the audit log says: who did what to which object, and how it ended; and how it is sealed."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from codingbrain.clock import Micros

NO_ORG: Final = UUID(int=0)
"""The chain of what concerns no org: a request without a usable token, an act of the operator on the install."""

OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log.

    `actor` is a user's pseudonym; `object` is `kind:id`, never content; `outcome` is `ok` or an error code. Refusals
    that repeat within a moment are one entry that says how many `times`.
    """

    at: Micros
    org: UUID
    action: str
    outcome: str = OK
    object: str | None = None
    actor: UUID | None = None
    client: str | None = None
    request_id: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """An entry where it stands: `seq` grows across all orgs, `seal` is the number of the link that holds it."""

    seq: int
    entry: Entry
    seal: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One link of an org's hash chain: `entries` lines from `first` to `last`; `number` starts at 1."""

    org: UUID
    number: int
    entries: int
    first: int
    last: int
    previous: bytes
    at: Micros
    digest: bytes


@dataclass(frozen=True, slots=True)
class Sought:
    """Which lines are wanted; `since` and `until` are a half-open interval."""

    action: str | None = None
    outcome: str | None = None
    since: Micros | None = None
    until: Micros | None = None
