"""A verification counts for a moment, and never after the token has ended."""

from dataclasses import replace
from uuid import UUID

from codingbrain.access.recent import WINDOW, Recent
from codingbrain.clock import DAY, Micros
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING

CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", EVERYTHING)


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now: Micros = 20_000 * DAY

    def __call__(self) -> Micros:
        return self.now


def test_it_counts_within_the_window() -> None:
    time = Time()
    recent = Recent(time)
    recent.put("a", CALLER, recent.epoch)
    assert recent.get("a") is CALLER
    assert recent.get("b") is None
    time.now += WINDOW - 1
    assert recent.get("a") is CALLER
    time.now += 1
    assert recent.get("a") is None


def test_it_ends_with_the_token() -> None:
    time = Time()
    recent = Recent(time)
    recent.put("a", replace(CALLER, expires_at=time.now + 10), recent.epoch)
    time.now += 9
    assert recent.get("a")
    time.now += 1
    assert recent.get("a") is None


def test_a_clock_that_is_set_back_does_not_prolong_it() -> None:
    time = Time()
    recent = Recent(time)
    recent.put("a", CALLER, recent.epoch)
    time.now -= DAY
    assert recent.get("a") is None


def test_what_was_read_before_a_revocation_is_not_kept() -> None:
    recent = Recent(Time())
    epoch = recent.epoch
    recent.put("a", CALLER, epoch)
    recent.forget()
    assert recent.get("a") is None
    recent.put("a", CALLER, epoch)
    assert recent.get("a") is None


def test_it_does_not_grow_without_end() -> None:
    recent = Recent(Time())
    for number in range(5_000):
        recent.put(str(number), CALLER, recent.epoch)
    assert sum(recent.get(str(number)) is not None for number in range(5_000)) <= 1_024
