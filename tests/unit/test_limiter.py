"""Which limits apply to a call, how they are changed, and what is told about them."""

import threading
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from codingbrain.clock import SECOND, Micros
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.limits import windows
from codingbrain.limits.fields import fields
from codingbrain.limits.limiter import Limiter, elapsed
from codingbrain.limits.rates import FLOOR, Rate, Rates, pair
from codingbrain.limits.standing import Standing, refusal
from codingbrain.limits.windows import SLOTS, Bound, Windows
from codingbrain.settings import load
from codingbrain.telemetry.metrics import Metrics

CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", EVERYTHING)
COLLEAGUE = replace(CALLER, user=UUID(int=3))
STRANGER = replace(CALLER, org=UUID(int=4))
RATES = Rates(pair("9/second", "100/minute"), pair("6/second", "60/minute"), pair("4/second", "50/minute"))
PUT = "PUT /admin/limits/{subject:path}"


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now: Micros = 1_000 * SECOND

    def __call__(self) -> Micros:
        return self.now


def used_up(limiter: Limiter, caller: Principal, item: str, most: int = 1_000) -> Standing:
    """Call until refused."""
    for _ in range(most):
        if (standing := limiter.charge(caller, item, 1)).retry_after is not None:
            return standing
    raise AssertionError


def test_each_limit_has_its_own_counter() -> None:
    limiter = Limiter(RATES, Time())
    assert used_up(limiter, CALLER, "whoami").policy == "tool-burst"
    assert used_up(limiter, CALLER, "GET /admin/audit").policy == "user-burst"
    assert used_up(limiter, COLLEAGUE, "search_memory").policy == "org-burst"
    assert limiter.charge(STRANGER, "whoami", 1).remaining == 3


def test_a_refused_call_takes_nothing() -> None:
    limiter = Limiter(RATES, Time())
    for _ in range(50):
        used_up(limiter, CALLER, "whoami")
    assert limiter.charge(CALLER, "search_memory", 2).policy == "user-burst"
    assert {use.subject: use.burst for use in limiter.uses(CALLER.org)} == {
        "org": 6,
        f"user:{CALLER.user}": 6,
        "tool:whoami": 4,
        "tool:search_memory": 2,
    }


def test_what_costs_more_than_a_limit_takes_all_of_it() -> None:
    time = Time()
    limiter = Limiter(RATES, time)
    assert limiter.charge(CALLER, "index_repository", 20).retry_after is None
    refused = limiter.charge(COLLEAGUE, "whoami", 1)
    assert (refused.policy, refused.remaining) == ("org-burst", 0)
    time.now += round((refused.retry_after or 0) * SECOND)
    assert limiter.charge(COLLEAGUE, "whoami", 1).retry_after is None


def test_a_change_applies_to_the_next_call_and_what_was_used_still_counts() -> None:
    limiter = Limiter(RATES, Time())
    limiter.charge(CALLER, "whoami", 3)
    limiter.apply(CALLER.org, "tool:whoami", pair("3/second", "30/minute"))
    assert limiter.charge(CALLER, "whoami", 1).policy == "tool-burst"
    assert limiter.charge(STRANGER, "whoami", 1).limit == 4
    limiter.apply(CALLER.org, "tool:whoami", pair("5/second", "30/minute"))
    assert limiter.charge(CALLER, "whoami", 1).retry_after is None
    assert set(limiter.changed(CALLER.org)) == {"tool:whoami"}
    limiter.reset(CALLER.org, "tool:whoami")
    assert used_up(limiter, CALLER, "whoami").limit == 4
    assert limiter.changed(CALLER.org) == {}


def test_another_window_applies_at_once() -> None:
    time = Time()
    limiter = Limiter(RATES, time)
    limiter.charge(CALLER, "whoami", 4)
    limiter.apply(CALLER.org, "tool:whoami", pair("4/2 second", "30/minute"))
    time.now += SECOND + SECOND // 2
    assert limiter.charge(CALLER, "whoami", 1).policy == "tool-burst"
    time.now += SECOND
    assert limiter.charge(CALLER, "whoami", 1).retry_after is None


def test_nobody_can_shut_themselves_out() -> None:
    limiter = Limiter(RATES, Time())
    for subject in ("org", f"user:{CALLER.user}", f"route:{PUT}"):
        limiter.apply(CALLER.org, subject, pair("1/minute", "1/day"))
    for item in ("whoami", PUT):
        limiter.charge(CALLER, item, 1)
    assert limiter.charge(CALLER, "whoami", 1).retry_after
    told = limiter.charge(CALLER, PUT, 1)
    assert (told.policy, told.limit, told.remaining) == ("limits-burst", FLOOR.burst.limit, FLOOR.burst.limit - 2)
    assert used_up(limiter, CALLER, PUT).policy == "limits-burst"
    assert limiter.charge(CALLER, "DELETE /admin/limits/{subject:path}", 1).retry_after
    assert limiter.charge(COLLEAGUE, PUT, 1).retry_after is None


def test_refusals_are_counted_by_policy() -> None:
    metrics = Metrics()
    limiter = Limiter(RATES, Time(), metrics)
    used_up(limiter, CALLER, "whoami")
    used_up(limiter, CALLER, "whoami")
    assert metrics.registry.get_sample_value("rate_limited_total", {"policy": "tool-burst"}) == 2


def test_idle_keys_are_forgotten_without_a_thread() -> None:
    time, before = Time(), threading.active_count()
    limiter = Limiter(Rates(*[pair("100000/second", "1000000/minute")] * 3), time)
    many = [replace(CALLER, user=UUID(int=number)) for number in range(500)]
    for caller in many:
        limiter.charge(caller, "whoami", 1)
    assert len(limiter.uses(CALLER.org)) == 100
    time.now += 61 * SECOND
    for _ in range(1_100):
        limiter.charge(CALLER, "whoami", 1)
    assert {use.subject for use in limiter.uses(CALLER.org)} == {"org", f"user:{CALLER.user}", "tool:whoami"}
    assert threading.active_count() <= before


def test_keys_of_callers_who_come_once_do_not_pile_up() -> None:
    time = Time()
    counts = Windows(time)
    for number in range(3_000):
        counts.charge([Bound(f"{number}/{part}", "test", 10, 1) for part in range(6)], 1)
        time.now += SECOND // 10
    assert sum(1 for _ in counts.keys("")) < 6 * 10 * 3


def test_the_number_of_keys_and_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MAX_KEYS", 100)
    time = Time()
    counts = Windows(time)
    for number in range(1_000):
        counts.acquire_entry(str(number), 10, 60)
    assert sum(1 for _ in counts.keys("")) == 100
    for _ in range(10_000):
        counts.acquire_entry("busy", 1_000_000, 60)
        time.now += 3_000
    assert counts.get_moving_window("busy", 1_000_000, 60)[1] == 10_000
    assert len(counts._windows["busy"].entries) <= SLOTS + 1  # noqa: SLF001 - memory has no other door


def test_the_clock_of_the_process_never_goes_back() -> None:
    assert 0 <= elapsed() <= elapsed()


@pytest.mark.parametrize(
    ("rate", "ceiling", "fits"),
    [
        ("100/second", "100/second", True),
        ("101/second", "100/second", False),
        ("100/minute", "100/second", True),
        ("6000/minute", "100/second", False),
        ("1/second", "100/minute", True),
        ("2/second", "100/minute", False),
        ("10/7 second", "100/minute", True),
        ("12/7 second", "100/minute", False),
    ],
)
def test_a_rate_is_within_another_if_it_can_never_allow_more(rate: str, ceiling: str, *, fits: bool) -> None:
    assert Rate.read(rate).within(Rate.read(ceiling)) is fits


@pytest.mark.parametrize(
    ("burst", "sustained"),
    [
        ("1/minute", "1/second"),
        ("1/minute", "5/minute"),
        ("1/second", "1/2 day"),
        ("0/second", "1/minute"),
        ("many", "1/minute"),
        ("1/second", ""),
    ],
)
def test_pairs_that_make_no_sense_are_refused(burst: str, sustained: str) -> None:
    with pytest.raises(ValueError, match=r"rate|window"):
        pair(burst, sustained)


def test_the_default_settings_are_pairs_of_windows(data_dir: Path) -> None:
    rates = Rates.of(load({"data_dir": data_dir}))
    for each in (rates.org, rates.user, rates.item):
        assert pair(each.burst.text, each.sustained.text) == each
    assert rates.user.burst == Rate("2000/second", 2000, 1)
    assert rates.user.sustained == Rate("90000/minute", 90_000, 60)


def test_header_fields_are_whole_numbers_and_structured() -> None:
    standing = Standing("user-burst", 1, 2000, 1999, 0.004)
    assert fields(standing) == [
        (b"x-ratelimit-limit", b"2000"),
        (b"x-ratelimit-remaining", b"1999"),
        (b"x-ratelimit-reset", b"1"),
        (b"ratelimit-policy", b'"user-burst";q=2000;w=1'),
        (b"ratelimit", b'"user-burst";r=1999;t=1'),
    ]
    refused = fields(replace(standing, remaining=0, reset=30.2, retry_after=29.01))
    assert refused[-2:] == [(b"ratelimit", b'"user-burst";r=0;t=31'), (b"retry-after", b"30")]


def test_a_refusal_says_what_to_do() -> None:
    error = refusal(Standing("org-sustained", 60, 120_000, 0, 3.0, 0.25))
    assert error.message == ("Too many calls: org-sustained allows 120000 cost units in 60 s. Try again in 0.25 s.")
    assert error.retryable
    assert error.details == {"retry_after": 0.25, "policy": "org-sustained", "limit": 120_000, "window": 60}
