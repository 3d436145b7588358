"""What the command line can ask about the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from codingbrain.access.auditor import READ, VERIFY, told
from codingbrain.access.chain import TOLD, Break, Place
from codingbrain.domain.audit import Line, Sought
from codingbrain.errors import InvalidArgumentError, NotFoundError
from codingbrain.host import wire
from codingbrain.host.access import Method
from codingbrain.runtime import Runtime

NOWHERE: Final = "-"
"""How the command line names the chain of what concerns no org."""

MOST: Final = 1_000
"""Lines of one listing."""


@dataclass(frozen=True, slots=True)
class Audit:
    """One host's answers, for its operator."""

    runtime: Runtime

    def methods(self) -> Mapping[str, Method]:
        """What answers to which method."""
        return {"audit.list": self._list, "audit.chains": self._chains, "audit.verify": self._verify}

    async def _list(self, params: wire.Fields) -> object:
        limit, before, shown = params.get("limit"), None, list[Line]()
        if not isinstance(limit, int) or not 0 < limit <= MOST:
            raise InvalidArgumentError(f"limit: 1 to {MOST}")
        chains = await self._chosen(params, READ)
        org = next(iter(chains)) if params.get("org") is not None else None
        sought = Sought(action=_text(params, "action"), outcome=_text(params, "outcome"))
        while len(shown) < limit:
            lines, before = await self.runtime.auditor.page(org, sought, before, limit - len(shown))
            shown += lines
            if before is None:
                break
        return [
            {"org": _name(chains.get(line.entry.org)), "seq": line.seq, **told(line.entry), "seal": line.seal}
            for line in shown
        ]

    async def _chains(self, params: wire.Fields) -> object:
        found = await self._chosen(params, VERIFY)
        return [{"id": str(org), "org": _name(name)} for org, name in found.items()]

    async def _verify(self, params: wire.Fields) -> object:
        match params:
            case {"id": str(org), "number": int(number), "digest": str(digest), "entries": int(entries)}:
                place = Place(UUID(org), number, bytes.fromhex(digest), entries)
            case _:
                raise InvalidArgumentError("id, number, digest and entries are needed")
        heads = [str(head) for head in cast("list[object]", params.get("heads") or [])]
        found = await self.runtime.auditor.follow(place, heads)
        return {
            "number": found.place.number,
            "digest": found.place.digest.hex(),
            "entries": found.place.entries,
            "unsealed": found.unsealed,
            "broken": broken(found.broken),
            "heads": sorted(found.heads),
            "done": found.done,
        }

    async def _chosen(self, params: wire.Fields, action: str) -> Mapping[UUID, str | None]:
        """The chain that was asked for, or all; the reading is logged there, or in that of no org."""
        auditor, name = self.runtime.auditor, _text(params, "org")
        if name is None:
            await auditor.note(action, None)
            return await auditor.chains()
        chains = {org: each for org, each in (await auditor.chains()).items() if _name(each) == name}
        if not chains:
            raise NotFoundError(f"there is no org {name}")
        await auditor.note(action, None, next(iter(chains)))
        return chains


def broken(found: Break | None) -> wire.Fields | None:
    """Where a chain breaks, in words and numbers."""
    if found is None:
        return None
    place = {"seal": found.seal, "first": found.first, "last": found.last}
    return {**place, "fault": found.fault.value, "message": TOLD[found.fault]}


def _name(org: str | None) -> str:
    return NOWHERE if org is None else org


def _text(params: wire.Fields, name: str) -> str | None:
    value = params.get(name)
    return None if value is None else str(value)
