"""The hash chain over one org's audit log: what a seal digests, and where a chain breaks.

A digest is the HMAC-SHA256 (RFC 2104) of JSON arrays, one per line: the seal's own fields, then each entry in the
order of `seq`. JSON in ASCII holds no line break, so nothing can be moved from one field or line to another.
"""

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import groupby
from typing import Final
from uuid import UUID

from codingbrain.clock import Micros
from codingbrain.domain.audit import Line, Link

FORM: Final = "codingbrain-audit-1"
"""The canonical form; another one needs another name."""

START: Final = bytes(sha256().digest_size)
"""What the first seal of a chain names as the digest before it."""

MOST: Final = 100
"""Entries under one seal; other writes wait a few milliseconds while so many are sealed."""


# `json.dumps` would make an encoder at each call.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class Fault(StrEnum):
    """How a chain is broken."""

    SEAL_MISSING = "seal_missing"
    SEAL_MOVED = "seal_moved"
    ENTRY_MISSING = "entry_missing"
    ENTRY_ADDED = "entry_added"
    CHANGED = "changed"
    CHANGED_OR_OTHER_KEY = "changed_or_other_key"
    SEAL_UNKNOWN = "seal_unknown"


TOLD: Final[Mapping[Fault, str]] = {
    Fault.SEAL_MISSING: "the seal is missing",
    Fault.SEAL_MOVED: "the seal does not follow from the one before it: a seal was changed, moved or replaced",
    Fault.ENTRY_MISSING: "an entry is missing",
    Fault.ENTRY_ADDED: "there is an entry that was not sealed here",
    Fault.CHANGED: "an entry or the seal was changed",
    Fault.CHANGED_OR_OTHER_KEY: "an entry or the seal was changed, or keys/audit.key is not the key that sealed it",
    Fault.SEAL_UNKNOWN: "an entry claims this seal, which is not in the chain",
}


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a chain does not hold; `first` and `last` are the `seq` of the entries it is about."""

    seal: int
    fault: Fault
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """How far a chain has been found whole: up to the seal of this number and digest."""

    org: UUID
    number: int = 0
    digest: bytes = START
    entries: int = 0


def link(key: bytes, place: Place, lines: Sequence[Line], at: Micros) -> Link:
    """The seal of `lines`, at least one, that follows `place`."""
    number, first, last = place.number + 1, lines[0].seq, lines[-1].seq
    bare = Link(place.org, number, len(lines), first, last, place.digest, at, b"")
    return Link(place.org, number, len(lines), first, last, place.digest, at, digest(key, bare, lines))


def digest(key: bytes, seal: Link, lines: Iterable[Line]) -> bytes:
    """What the seal's digest must be."""
    own = [FORM, str(seal.org), seal.number, seal.first, seal.last, seal.entries, seal.previous.hex(), seal.at]
    code = hmac.new(key, _line(own), sha256)
    for line in lines:
        code.update(_line(_fields(line)))
    return code.digest()


def follow(key: bytes, place: Place, links: Iterable[Link], lines: Iterable[Line]) -> tuple[Place, Break | None]:
    """Walk on from `place`: `links` by number, `lines` by seal and `seq`; where that ends, and why if it breaks."""
    held = {seal: list(group) for seal, group in groupby(lines, lambda line: line.seal)}
    for each in links:
        own = held.get(each.number, [])
        fault = _fault(key, place, each, own)
        if fault is Fault.SEAL_MISSING:
            return place, Break(place.number + 1, fault)
        if fault is not None:
            return place, Break(each.number, fault, each.first, each.last)
        place = Place(place.org, each.number, each.digest, place.entries + each.entries)
    return place, None


def _fault(key: bytes, place: Place, seal: Link, lines: Sequence[Line]) -> Fault | None:
    if seal.number != place.number + 1:
        return Fault.SEAL_MISSING
    if seal.previous != place.digest:
        return Fault.SEAL_MOVED
    if len(lines) != seal.entries:
        return Fault.ENTRY_MISSING if len(lines) < seal.entries else Fault.ENTRY_ADDED
    if not hmac.compare_digest(digest(key, seal, lines), seal.digest):
        return Fault.CHANGED if place.number else Fault.CHANGED_OR_OTHER_KEY
    return None


def _fields(line: Line) -> Sequence[object]:
    entry = line.entry
    actor = None if entry.actor is None else str(entry.actor)
    what = [entry.action, entry.object, entry.outcome, entry.times, entry.request_id]
    return [line.seq, entry.at, actor, entry.client, *what]


def _line(fields: Sequence[object]) -> bytes:
    return _encode(fields).encode() + b"\n"
