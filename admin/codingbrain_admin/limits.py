"""Rate limits of the caller's org: what applies, what is used, and changing it."""

import json
from collections.abc import Container
from typing import Final, cast

from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response

from codingbrain.errors import InvalidArgumentError
from codingbrain.identity.scopes import Scope
from codingbrain.limits.limiter import Use
from codingbrain.limits.rates import Pair, Rate
from codingbrain.limits.subject import FLOORED
from codingbrain.settings import Rate as RateText
from codingbrain.toolkit.faults import validated
from codingbrain_admin.route import NO_STORE, AdminRoute, Call

_FORM: Final = 'The body is a JSON object such as {"burst": "20/second", "sustained": "600/minute"}.'


class Change(BaseModel):
    """The body of a PUT."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    burst: RateText
    sustained: RateText


def routes(items: Container[str]) -> tuple[AdminRoute, ...]:
    """`items` are the subjects `tool:NAME` and `route:METHOD /path` of everything that is offered.

    A subject stands in the path, percent-encoded where it has blanks or braces.
    """

    async def shown(call: Call) -> Response:
        quotas = call.runtime.quotas(call.caller)
        rates, changed = quotas.rates, quotas.changed()
        defaults = {"org": rates.org, "user": rates.user, "tool": rates.item, "route": rates.item}
        body = {
            "defaults": {name: _pair(pair) for name, pair in defaults.items()},
            "overrides": [{"subject": subject, **_pair(changed[subject])} for subject in sorted(changed)],
            "use": [_use(use) for use in quotas.uses()],
        }
        return JSONResponse(body, headers=NO_STORE)

    async def put(call: Call) -> Response:
        change = validated(Change, await _object(call))
        subject, pair = await call.runtime.quotas(call.caller).put(
            call.request.path_params["subject"], change.burst, change.sustained, items
        )
        return JSONResponse({"subject": subject, **_pair(pair)}, headers=NO_STORE)

    async def reset(call: Call) -> Response:
        subject, pair = await call.runtime.quotas(call.caller).reset(call.request.path_params["subject"], items)
        return JSONResponse({"subject": subject, **_pair(pair)}, headers=NO_STORE)

    one, reads, writes = f"{FLOORED}/{{subject:path}}", frozenset({Scope.ADMIN_READ}), frozenset({Scope.ADMIN_WRITE})
    return (
        AdminRoute(FLOORED, "GET", shown, reads),
        AdminRoute(one, "PUT", put, writes),
        AdminRoute(one, "DELETE", reset, writes),
    )


async def _object(call: Call) -> dict[str, object]:
    try:
        body: object = json.loads(await call.request.body())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidArgumentError(_FORM)
    return cast("dict[str, object]", body)


def _pair(pair: Pair) -> dict[str, str]:
    return {"burst": pair.burst.text, "sustained": pair.sustained.text}


def _use(use: Use) -> dict[str, object]:
    return {
        "subject": use.subject,
        "burst": _window(use.pair.burst, use.burst),
        "sustained": _window(use.pair.sustained, use.sustained),
    }


def _window(rate: Rate, used: int) -> dict[str, int]:
    return {"limit": rate.limit, "window_seconds": rate.window, "used": used}
