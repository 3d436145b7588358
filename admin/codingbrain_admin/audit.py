"""The audit log of the caller's org: its entries, and whether its chain is whole."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from codingbrain.access.auditor import told
from codingbrain.access.chain import TOLD, Break
from codingbrain.clock import from_datetime
from codingbrain.domain.audit import Sought
from codingbrain.errors import InvalidArgumentError
from codingbrain.identity.scopes import Scope
from codingbrain.toolkit.faults import validated
from codingbrain.toolkit.tool import Cost
from codingbrain_admin.route import NO_STORE, AdminRoute, Call

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Cursor = Annotated[str, Field(min_length=1, max_length=1_024)]


class Asked(BaseModel):
    """The query of a listing; `since` and `until` are a half-open interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: _Name | None = None
    outcome: _Name | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: _Cursor | None = None


class Continued(BaseModel):
    """The query of a verification."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cursor: _Cursor | None = None


async def entries(call: Call) -> Response:
    """Entries, newest first; a page may be empty while a cursor leads to more."""
    asked = validated(Asked, dict(call.request.query_params))
    since, until = _micros("since", asked.since), _micros("until", asked.until)
    sought = Sought(asked.action, asked.outcome, since, until)
    page = await call.runtime.review(call.caller).page(sought, asked.limit, asked.cursor)
    body = {
        "entries": [{**told(line.entry), "sealed": line.seal is not None} for line in page.lines],
        "cursor": page.cursor,
    }
    return JSONResponse(body, headers=NO_STORE)


async def verify(call: Call) -> Response:
    """Whether the chain is whole as far as it was followed; a cursor leads to the rest of a long one."""
    asked = validated(Continued, dict(call.request.query_params))
    found, cursor = await call.runtime.review(call.caller).verify(asked.cursor)
    place = found.place
    body = {
        "whole": found.broken is None,
        "seals": place.number,
        "entries": place.entries,
        "unsealed": found.unsealed,
        "head": place.digest.hex() if place.number else None,
        "broken": None if found.broken is None else _broken(found.broken),
        "cursor": cursor,
    }
    return JSONResponse(body, headers=NO_STORE)


_READS: Final = frozenset({Scope.AUDIT_READ})

ROUTES: Final = (
    AdminRoute("/admin/audit", "GET", entries, _READS, Cost.NORMAL),
    AdminRoute("/admin/audit/verify", "GET", verify, _READS, Cost.HEAVY),
)


def _micros(name: str, at: datetime | None) -> int | None:
    try:
        return None if at is None else from_datetime(at)
    except ValueError as error:
        raise InvalidArgumentError(f"{name}: {error}") from None


def _broken(found: Break) -> dict[str, object]:
    return {"seal": found.seal, "fault": found.fault.value, "message": TOLD[found.fault]}
