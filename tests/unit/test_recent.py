"""What was found out about a token counts until its own end, and never after it was forgotten."""

from codingbrain.access.recent import Recent
from codingbrain.clock import DAY, SECOND, Micros


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now: Micros = 20_000 * DAY

    def __call__(self) -> Micros:
        return self.now


def test_it_counts_until_its_end() -> None:
    time = Time()
    recent: Recent[str] = Recent(time)
    recent.put(b"a", "found", time.now + SECOND, recent.epoch)
    assert recent.get(b"a") == "found"
    assert recent.get(b"b") is None
    time.now += SECOND - 1
    assert recent.get(b"a") == "found"
    time.now += 1
    assert recent.get(b"a") is None


def test_a_clock_that_is_set_back_does_not_prolong_it() -> None:
    time = Time()
    recent: Recent[str] = Recent(time)
    recent.put(b"a", "found", time.now + SECOND, recent.epoch)
    time.now -= 1
    assert recent.get(b"a") is None


def test_what_was_found_before_it_was_forgotten_is_not_kept() -> None:
    time = Time()
    recent: Recent[str] = Recent(time)
    epoch = recent.epoch
    recent.put(b"a", "found", time.now + SECOND, epoch)
    recent.forget()
    assert recent.get(b"a") is None
    recent.put(b"a", "found", time.now + SECOND, epoch)
    assert recent.get(b"a") is None
    recent.put(b"a", "found", time.now + SECOND, recent.epoch)
    assert recent.get(b"a") == "found"


def test_the_oldest_make_room() -> None:
    time = Time()
    recent: Recent[int] = Recent(time, most=3)
    for number in (0, 1, 2, 0, 3):
        recent.put(bytes([number]), number, time.now + SECOND, recent.epoch)
    assert [recent.get(bytes([number])) for number in range(4)] == [0, None, 2, 3]
