"""Moving windows in host memory, for the strategies of the `limits` library and for the limiter.

The library's own memory storage keeps one entry per unit of cost, copies its lists, and starts a thread per activity;
`ops/limits.md` has the numbers. Here calls of nearly the same time are one entry.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from limits.storage import MovingWindowSupport, Storage

from codingbrain.clock import SECOND, Clock, Micros
from codingbrain.limits.standing import Standing

SLOTS: Final = 250
"""Most entries of one window: what is used comes back late by at most this fraction of the window, never early."""

MAX_KEYS: Final = 65_536
"""Windows that are remembered; beyond it one is forgotten for each new one."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One window that a call must fit into: `limit` cost units in `window` seconds."""

    key: str
    policy: str
    limit: int
    window: int


class _Window:
    __slots__ = ("entries", "span", "total")

    def __init__(self) -> None:
        self.entries: deque[list[int]] = deque()
        self.span: Micros = 0
        self.total = 0

    def settle(self, now: Micros) -> int:
        """Let go what has left the window; how much is in it."""
        entries, gone = self.entries, now - self.span
        while entries and entries[0][0] <= gone:
            self.total -= entries.popleft()[1]
        return self.total

    def add(self, now: Micros, amount: int) -> None:
        """Count as of the end of the present slot."""
        self.total += amount
        if self.entries and self.entries[-1][0] > now:
            self.entries[-1][1] += amount
        else:
            slot = self.span // SLOTS
            self.entries.append([now - now % slot + slot, amount])

    def wait(self, now: Micros, most: int) -> Micros:
        """How long until no more than `most` is left in it, if nothing is added."""
        left, freed = self.settle(now), now
        for at, amount in self.entries:
            if left <= most:
                break
            left, freed = left - amount, at + self.span
        return freed - now


class Windows(Storage, MovingWindowSupport):
    """Counts what was used of each key; not safe to share between threads.

    `clock` must never go back. A key is forgotten once its window is empty: each charge looks at one key, and at one
    more for each that it made.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Use `amount` of what `limit` allows in `expiry` seconds, if there is room."""
        bound = Bound(key, key, limit, expiry)
        return amount <= limit and self.charge((bound,), amount).retry_after is None

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The time of the oldest use in the window, in seconds of the clock, and how much is used."""
        del limit
        now = self._clock()
        if key not in self._windows:
            return now / SECOND, 0
        window = self._at(key, expiry)
        used = window.settle(now)
        return (window.entries[0][0] if used else now) / SECOND, used

    def charge(self, bounds: Sequence[Bound], cost: int) -> Standing:
        """Use `cost` of every window, or of none if one has no room; what costs more than a window holds fills it.

        The standing is that of the window nearest to its end, or of the refusing one that lasts longest.
        """
        now, before = self._clock(), len(self._windows)
        standing = self._charge(bounds, cost, now)
        self._forget(now, 1 + len(self._windows) - before)
        return standing

    def _charge(self, bounds: Sequence[Bound], cost: int, now: Micros) -> Standing:
        least, nearest = 2.0, bounds[0]
        windows: list[_Window] = []
        for bound in bounds:
            limit = bound.limit
            window = self._at(bound.key, bound.window)
            room = limit - window.settle(now) - min(cost, limit)
            if room < 0:
                return self._refusal(bounds, cost, now)
            if room / limit < least:
                least, nearest = room / limit, bound
            windows.append(window)
        for bound, window in zip(bounds, windows, strict=True):
            window.add(now, min(cost, bound.limit))
        return self._standing(nearest, now)

    def keys(self, prefix: str) -> Iterator[str]:
        """The remembered keys that begin so."""
        return (key for key in self._windows if key.startswith(prefix))

    def _refusal(self, bounds: Sequence[Bound], cost: int, now: Micros) -> Standing:
        def wait(bound: Bound) -> Micros:
            return self._at(bound.key, bound.window).wait(now, bound.limit - min(cost, bound.limit))

        longest = max(bounds, key=wait)
        return self._standing(longest, now, wait(longest))

    def _standing(self, bound: Bound, now: Micros, wait: Micros | None = None) -> Standing:
        window = self._at(bound.key, bound.window)
        left = max(0, bound.limit - window.total)
        reset = (window.entries[0][0] + window.span - now) / SECOND
        return Standing(bound.policy, bound.window, bound.limit, left, reset, None if wait is None else wait / SECOND)

    def _at(self, key: str, seconds: int) -> _Window:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window()
        window.span = seconds * SECOND
        return window

    def _forget(self, now: Micros, looks: int) -> None:
        for _ in range(looks):
            key, window = self._windows.popitem(last=False)
            if window.settle(now) and len(self._windows) < MAX_KEYS:
                self._windows[key] = window

    # --- what else the library asks of a storage ---

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Memory does not fail."""
        return ()

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def clear(self, key: str) -> None:
        """Forget what was used of a key."""
        self._windows.pop(key, None)

    def reset(self) -> int:
        """Forget everything; how many keys that were."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """There are no fixed windows here."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """There are no fixed windows here."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """There are no fixed windows here."""
        raise NotImplementedError
