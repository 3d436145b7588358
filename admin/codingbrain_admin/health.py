"""Whether the process lives, whether it can serve, and how everything that it depends on answers."""

from starlette.responses import JSONResponse, Response

from codingbrain.clock import now, to_iso
from codingbrain.identity.scopes import Scope
from codingbrain.runtime import Finding
from codingbrain.toolkit.tool import Cost
from codingbrain_admin.route import NO_STORE, AdminRoute, Call

_ANYBODY = frozenset[Scope]()


async def live(call: Call) -> Response:
    """Asks nobody."""
    del call
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


async def ready(call: Call) -> Response:
    """200 when requests can be served, be it without a lane; 503 when not."""
    found = await call.runtime.readiness()
    body = {"status": found.state, "checks": found.checks, "checked_at": to_iso(now())}
    return JSONResponse(body, 503 if found.state == "down" else 200, headers=NO_STORE)


async def deps(call: Call) -> Response:
    """A word per dependency; how long it took and when it was asked is for who may read statistics."""
    found = await call.runtime.readiness()
    whole = call.principal is not None and Scope.STATS_READ in call.principal.scopes
    told = {name: _told(finding, whole=whole) for name, finding in found.findings.items()}
    return JSONResponse({"status": found.state, "dependencies": told}, headers=NO_STORE)


def _told(finding: Finding, *, whole: bool) -> dict[str, object]:
    word: dict[str, object] = {"status": finding.state}
    if not whole:
        return word
    return word | {"latency_ms": round(finding.seconds * 1000, 3), "checked_at": to_iso(finding.checked_at)}


ROUTES = (
    AdminRoute("/health/live", "GET", live, _ANYBODY),
    AdminRoute("/health/ready", "GET", ready, _ANYBODY),
    AdminRoute("/health/deps", "GET", deps, _ANYBODY, Cost.FREE),
)
