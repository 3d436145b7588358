"""What a charge means, told by a brute-force oracle: it remembers every call and adds up those that a window holds."""

from dataclasses import dataclass, field
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse
from limits.strategies import MovingWindowRateLimiter

from codingbrain.clock import SECOND, Micros
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.limits.limiter import Limiter
from codingbrain.limits.rates import Pair, Rates, pair
from codingbrain.limits.windows import SLOTS, Windows

ORG = pair("7/second", "20/minute")
USER = pair("5/second", "12/minute")
ITEM = pair("4/second", "16/minute")
RATES = Rates(ORG, USER, ITEM)

USERS = [Principal(UUID(int=org), UUID(int=9), "someone", "test", EVERYTHING) for org in (1, 2)] + [
    Principal(UUID(int=1), UUID(int=8), "other", "test", EVERYTHING)
]
ITEMS = ("search_memory", "whoami", "GET /admin/audit")


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now: Micros = 5 * SECOND + 1

    def __call__(self) -> Micros:
        return self.now


@dataclass
class Oracle:
    """Every admitted call; one counts until its window has passed since the end of its slot."""

    calls: list[tuple[Micros, Principal, str, int]] = field(default_factory=list)

    def windows(self, who: Principal, item: str) -> list[tuple[str, int, Micros, list[tuple[Micros, int]]]]:
        """The name, limit and length of each window, and what was ever counted in it."""
        org = [call for call in self.calls if call[1].org == who.org]
        parts: list[tuple[str, Pair, list[tuple[Micros, Principal, str, int]]]] = [
            ("org", ORG, org),
            ("user", USER, [call for call in org if call[1].user == who.user]),
            ("route" if " " in item else "tool", ITEM, [call for call in org if call[2] == item]),
        ]
        return [
            (
                f"{name}-{part}",
                rate.limit,
                rate.window * SECOND,
                [(at, min(cost, rate.limit)) for at, *_, cost in calls],
            )
            for name, both, calls in parts
            for part, rate in (("burst", both.burst), ("sustained", both.sustained))
        ]

    def refusing(self, who: Principal, item: str, cost: int, now: Micros) -> set[str]:
        """The windows without room."""
        return {
            name
            for name, limit, length, calls in self.windows(who, item)
            if sum(amount for at, amount in calls if leaves(at, length) > now) + min(cost, limit) > limit
        }

    def wait(self, who: Principal, item: str, cost: int, now: Micros) -> Micros:
        """How long until there would be room everywhere: something must leave for that."""
        ends = {leaves(at, length) for _, _, length, calls in self.windows(who, item) for at, _ in calls}
        return min(end for end in ends if end > now and not self.refusing(who, item, cost, end)) - now


def leaves(at: Micros, length: Micros) -> Micros:
    slot = length // SLOTS
    return (at // slot + 1) * slot + length


STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([0, 1, 3_999, 4_000, SECOND - 1, SECOND, 60 * SECOND, 61 * SECOND]),
            st.integers(0, 3 * SECOND),
        ),
        st.sampled_from(USERS),
        st.sampled_from(ITEMS),
        st.sampled_from([1, 2, 20]),
    ),
    max_size=40,
)


@given(STEPS)
def test_a_call_is_admitted_exactly_if_all_windows_have_room(steps: list[tuple[int, Principal, str, int]]) -> None:
    time, oracle = Time(), Oracle()
    limiter = Limiter(RATES, time)
    for advance, who, item, cost in steps:
        time.now += advance
        refusing = oracle.refusing(who, item, cost, time.now)
        standing = limiter.charge(who, item, cost)
        assert (standing.retry_after is not None) == bool(refusing)
        if standing.retry_after is None:
            oracle.calls.append((time.now, who, item, cost))
        else:
            assert standing.policy in refusing
            assert round(standing.retry_after * SECOND) == oracle.wait(who, item, cost, time.now)
        told = {name: (limit, length, calls) for name, limit, length, calls in oracle.windows(who, item)}
        limit, length, calls = told[standing.policy]
        inside = [(at, amount) for at, amount in calls if leaves(at, length) > time.now]
        assert (standing.limit, standing.window) == (limit, length // SECOND)
        assert standing.remaining == limit - sum(amount for _, amount in inside)
        assert round(standing.reset * SECOND) == leaves(inside[0][0], length) - time.now
        if standing.retry_after is None:
            shares = [
                1 - sum(amount for at, amount in calls if leaves(at, length) > time.now) / limit
                for limit, length, calls in told.values()
            ]
            assert standing.remaining / standing.limit == pytest.approx(min(shares))


@given(STEPS)
def test_no_moving_window_ever_holds_more_than_its_limit(steps: list[tuple[int, Principal, str, int]]) -> None:
    time, oracle = Time(), Oracle()
    limiter = Limiter(RATES, time)
    for advance, who, item, cost in steps:
        time.now += advance
        if limiter.charge(who, item, cost).retry_after is None:
            oracle.calls.append((time.now, who, item, cost))
    for who in USERS:
        for item in ITEMS:
            for _, limit, length, calls in oracle.windows(who, item):
                for end, _ in calls:
                    assert sum(amount for at, amount in calls if end - length < at <= end) <= limit


@given(STEPS)
def test_who_waits_as_long_as_was_said_is_admitted_and_not_before(
    steps: list[tuple[int, Principal, str, int]],
) -> None:
    time = Time()
    limiter = Limiter(RATES, time)
    for advance, who, item, cost in steps:
        time.now += advance
        standing = limiter.charge(who, item, cost)
        if standing.retry_after is not None:
            then = time.now + round(standing.retry_after * SECOND)
            time.now = then - 1
            assert limiter.charge(who, item, cost).retry_after == pytest.approx(1e-6)
            time.now = then
            assert limiter.charge(who, item, cost).retry_after is None


@pytest.mark.anyio
async def test_a_hundred_calls_at_once_use_no_more_than_there_is() -> None:
    limiter, admitted = Limiter(Rates(*[pair("50/hour", "30/day")] * 3), Time()), 0

    async def call() -> None:
        nonlocal admitted
        await anyio.lowlevel.checkpoint()
        admitted += limiter.charge(USERS[0], "whoami", 1).retry_after is None

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(call)
    assert admitted == 30


def test_the_librarys_own_strategy_runs_on_the_windows() -> None:
    time = Time()
    windows = Windows(time)
    strategy, rate = MovingWindowRateLimiter(windows), parse("10/minute")
    assert strategy.get_window_stats(rate, "someone").remaining == 10
    assert strategy.hit(rate, "someone", cost=7)
    assert strategy.test(rate, "someone", cost=3)
    assert not strategy.test(rate, "someone", cost=4)
    assert not strategy.hit(rate, "someone", cost=4)
    assert not strategy.hit(rate, "nobody", cost=11)
    assert strategy.hit(rate, "other", cost=10)
    stats = strategy.get_window_stats(rate, "someone")
    assert stats.remaining == 3
    assert time.now / SECOND + 60 < stats.reset_time <= time.now / SECOND + 60 * (1 + 1 / SLOTS)
    time.now = round(stats.reset_time * SECOND)
    assert strategy.hit(rate, "someone", cost=10)
    strategy.clear(rate, "someone")
    assert strategy.get_window_stats(rate, "someone").remaining == 10
    assert windows.check()
    assert strategy.hit(rate, "last", cost=10)
    assert windows.reset() > 0
    assert strategy.get_window_stats(rate, "last").remaining == 10
