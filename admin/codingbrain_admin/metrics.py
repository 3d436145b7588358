"""The metrics, for Prometheus."""

from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

from codingbrain.identity.scopes import Scope
from codingbrain_admin.route import NO_STORE, AdminRoute, Call


async def metrics(call: Call) -> Response:
    """In the format that `Accept` asks for; on this machine without a credential."""
    encode, media_type = choose_encoder(call.request.headers.get("accept", ""))
    return Response(encode(call.runtime.metrics.registry), headers={"Content-Type": media_type, **NO_STORE})


ROUTES = (AdminRoute("/metrics", "GET", metrics, frozenset({Scope.STATS_READ})),)
