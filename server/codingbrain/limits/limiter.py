"""Who may call how often: a call has to fit into the windows of its org, its user, and the org's use of the item."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import anyio

from codingbrain.clock import Clock, Micros
from codingbrain.identity.principal import Principal
from codingbrain.limits.rates import FLOOR, Pair, Rate, Rates
from codingbrain.limits.standing import Standing
from codingbrain.limits.subject import Kind, is_floored, kind_of, of_item, of_user
from codingbrain.limits.windows import Bound, Windows
from codingbrain.telemetry.metrics import Metrics

_PLANS: Final = 4_096
"""Callers and items whose windows are looked up once."""

_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Use:
    """What one subject has used of its windows, in cost units."""

    subject: str
    pair: Pair
    burst: int
    sustained: int

    def share(self) -> float:
        """How full the fuller of its windows is."""
        return max(self.burst / self.pair.burst.limit, self.sustained / self.pair.sustained.limit)


def elapsed() -> Micros:
    """A clock that never goes back; what it says means nothing outside this process."""
    return time.monotonic_ns() // 1_000


class Limiter:
    """Counts in host memory, which is always there; used on the event loop only, so that no call comes in between.

    `clock` must never go back: a wall clock that is set back would shut callers out. Hold `changing` from before a
    change is kept until it applies, so that what is kept last also applies last.
    """

    def __init__(self, rates: Rates, clock: Clock = elapsed, metrics: Metrics | None = None) -> None:
        self.rates = rates
        self.changing = anyio.Lock()
        self._windows = Windows(clock)
        self._applied: dict[UUID, dict[str, Pair]] = {}
        self._plans: dict[tuple[UUID, UUID, str], tuple[Bound, ...]] = {}
        self._refused = (metrics or Metrics()).rate_limited

    def charge(self, principal: Principal, item: str, cost: int) -> Standing:
        """Use `cost` units of every limit that applies, or of none if one has no room.

        `item` is a tool's name or `METHOD /route`, and one of a closed list. What costs more than a limit ever allows
        takes all of it. The answer is the limit that is nearest to its end, or the refusing one that lasts longest.
        """
        plan = self._plans.get((principal.org, principal.user, item)) or self._plan(principal, item)
        standing = self._windows.charge(plan, cost)
        if standing.retry_after is not None:
            self._refused.labels(standing.policy).inc()
        return standing

    def pair(self, org: UUID, subject: str) -> Pair:
        """What applies to a subject."""
        if (found := self._applied.get(org, {}).get(subject)) is not None:
            return found
        match kind_of(subject):
            case Kind.ORG:
                return self.rates.org
            case Kind.USER:
                return self.rates.user
            case Kind.TOOL | Kind.ROUTE:
                return self.rates.item

    def apply(self, org: UUID, subject: str, pair: Pair) -> None:
        """Apply other rates from the next call on; what was used before still counts."""
        self._applied.setdefault(org, {})[subject] = pair
        self._plans.clear()

    def reset(self, org: UUID, subject: str) -> None:
        """Apply the configured rates again."""
        self._applied.get(org, {}).pop(subject, None)
        self._plans.clear()

    def changed(self, org: UUID) -> Mapping[str, Pair]:
        """The subjects whose rates are not the configured ones."""
        return dict(self._applied.get(org, {}))

    def uses(self, org: UUID) -> list[Use]:
        """What the subjects of the org used lately, nearest to its end first; only the first hundred."""
        prefix = f"{org}/"
        subjects = {key.removeprefix(prefix).rpartition("/")[0] for key in self._windows.keys(prefix)}
        found = [self._use(prefix, subject, self.pair(org, subject)) for subject in sorted(subjects)]
        return sorted(found, key=Use.share, reverse=True)[:_SHOWN]

    def _use(self, prefix: str, subject: str, pair: Pair) -> Use:
        burst, sustained = (self._used(f"{prefix}{subject}/{name}", rate) for name, rate in _named(pair))
        return Use(subject, pair, burst, sustained)

    def _used(self, key: str, rate: Rate) -> int:
        return self._windows.get_moving_window(key, rate.limit, rate.window)[1]

    def _plan(self, principal: Principal, item: str) -> tuple[Bound, ...]:
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        plan = tuple(self._bounds(principal, item))
        self._plans[principal.org, principal.user, item] = plan
        return plan

    def _bounds(self, principal: Principal, item: str) -> Iterator[Bound]:
        user = of_user(principal.user)
        if is_floored(item):
            yield from _bounds(f"{principal.org}!{user}", "limits", FLOOR)
            return
        for subject in (Kind.ORG.value, user, of_item(item)):
            pair = self.pair(principal.org, subject)
            yield from _bounds(f"{principal.org}/{subject}", kind_of(subject).value, pair)


def _bounds(key: str, kind: str, pair: Pair) -> Iterator[Bound]:
    for name, rate in _named(pair):
        yield Bound(f"{key}/{name}", f"{kind}-{name}", rate.limit, rate.window)


def _named(pair: Pair) -> Iterator[tuple[str, Rate]]:
    yield "burst", pair.burst
    yield "sustained", pair.sustained
