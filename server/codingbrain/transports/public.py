"""The one table of what is answered without a credential; every other route needs a principal."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from codingbrain.transports import metadata


class Public(Enum):
    """For whom a route is, and whether a credential is looked at."""

    ALWAYS = "everybody; no credential is looked at"
    MORE = "everybody, and more for who has a credential"
    LOCAL = "who is on this machine, if the server is for it alone; otherwise who has a credential"


ROUTES: Final[Mapping[str, Public]] = {
    "/health/live": Public.ALWAYS,
    "/health/ready": Public.ALWAYS,
    "/health/deps": Public.MORE,
    "/metrics": Public.LOCAL,
    metadata.PATH: Public.ALWAYS,
    f"{metadata.PATH}/mcp": Public.ALWAYS,
    f"{metadata.PATH}/sse": Public.ALWAYS,
    f"{metadata.PATH}/admin": Public.ALWAYS,
}
"""By path, for GET and HEAD; other methods are refused there."""
