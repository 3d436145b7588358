"""What a caller is told about their limits."""

from contextvars import ContextVar
from dataclasses import dataclass

from codingbrain.errors import RateLimitedError

charged: ContextVar[bool] = ContextVar("charged", default=False)
"""Whether the message being handled was charged at the gate; the guard charges for what came another way."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The limit that is nearest to its end: `limit` and `remaining` in cost units, `reset` in seconds from now.

    `policy` names it and its window, e.g. `user-burst` and 1 s. Until `reset` no more than `remaining` can be used;
    then the oldest use leaves the window. If the call was refused, `retry_after` says after how many seconds it
    would not be.
    """

    policy: str
    window: int
    limit: int
    remaining: int
    reset: float
    retry_after: float | None = None


def refusal(standing: Standing) -> RateLimitedError:
    """What the gate and the guard raise for a call that was refused."""
    wait = standing.retry_after or 0.0
    return RateLimitedError(
        f"Too many calls: {standing.policy} allows {standing.limit} cost units in {standing.window} s. "
        f"Try again in {wait:.3g} s.",
        wait,
        policy=standing.policy,
        limit=standing.limit,
        window=standing.window,
    )
