"""The metrics, for Prometheus on this machine."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from codingbrain.toolkit.replies import refusal


def routes(registry: CollectorRegistry, public_url: str | None) -> list[BaseRoute]:
    """`/metrics` in the format that `Accept` asks for; never through the public origin."""
    public = public_url.partition("://")[2].lower() if public_url else None

    async def metrics(request: Request) -> Response:
        if public is not None and request.headers.get("host", "").lower() == public:
            return refusal(403, "Metrics are shown on the loopback interface only.")
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": media_type})

    return [Route("/metrics", metrics)]
