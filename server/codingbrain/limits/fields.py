"""A standing as HTTP header fields: the de-facto `X-RateLimit-*`, and draft-ietf-httpapi-ratelimit-headers-11."""

import math
from functools import lru_cache

from codingbrain.limits.standing import Standing

Headers = list[tuple[bytes, bytes]]


def fields(standing: Standing) -> Headers:
    """Raw ASGI headers; seconds are whole, and rounded up so that a client that waits for them has waited enough.

    `RateLimit` says what is left of the limit nearest to its end and when the oldest use leaves its window (the
    effective window of section 4.1.2); `X-RateLimit-Reset` is that time too, in seconds from now.
    """
    policy, name, limit = _policy(standing.policy, standing.limit, standing.window)
    left, reset = b"%d" % standing.remaining, b"%d" % max(1, math.ceil(standing.reset))
    headers = [
        (b"x-ratelimit-limit", limit),
        (b"x-ratelimit-remaining", left),
        (b"x-ratelimit-reset", reset),
        (b"ratelimit-policy", policy),
        (b"ratelimit", name + b";r=" + left + b";t=" + reset),
    ]
    if standing.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(standing.retry_after))))
    return headers


@lru_cache(maxsize=1024)
def _policy(name: str, limit: int, window: int) -> tuple[bytes, bytes, bytes]:
    """`"user-burst";q=2000;w=1`, the name alone, the limit alone."""
    quoted = b'"' + name.encode("ascii") + b'"'
    return quoted + b";q=%d;w=%d" % (limit, window), quoted, b"%d" % limit
