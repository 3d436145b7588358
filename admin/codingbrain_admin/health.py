"""Whether the process lives and whether it can serve, in words that say nothing else."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from codingbrain.clock import Clock, to_iso
from codingbrain.runtime import Readiness


def routes(readiness: Callable[[], Awaitable[Readiness]], now: Clock) -> list[BaseRoute]:
    """`/health/live` asks nobody; `/health/ready` is 200 when ok or degraded and 503 when down."""

    async def live(request: Request) -> JSONResponse:
        del request
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> JSONResponse:
        del request
        found = await readiness()
        body = {"status": found.state, "checks": dict(found.checks), "checked_at": to_iso(now())}
        return JSONResponse(body, 503 if found.state == "down" else 200, headers={"Cache-Control": "no-store"})

    return [Route("/health/live", live), Route("/health/ready", ready)]
