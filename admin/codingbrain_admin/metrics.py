"""The metrics, for Prometheus on this machine."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from codingbrain.toolkit.replies import refusal

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host")


def routes(registry: CollectorRegistry, is_local: Callable[[str], bool]) -> list[BaseRoute]:
    """`/metrics` in the format that `Accept` asks for.

    It is shown where `is_local` says so of the `Host`, and never through a proxy: metrics have no credential yet.
    """

    async def metrics(request: Request) -> Response:
        forwarded = any(name in request.headers for name in _FORWARDED)
        if forwarded or not is_local(request.headers.get("host", "").lower()):
            return refusal(403, "Metrics are shown on the loopback interface only.")
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": media_type})

    return [Route("/metrics", metrics)]
