"""How much waits for a lane that follows the record, and who is to be woken when that changes."""

import anyio

from codingbrain.domain.query import Lane
from codingbrain.errors import OverloadedError
from codingbrain.telemetry.metrics import Metrics


class Backlog:
    """Counts the waiting entries of one lane; exact, because one process writes."""

    def __init__(self, lane: Lane, most: int, metrics: Metrics) -> None:
        self._most = most
        self._gauge = metrics.outbox_depth.labels(lane)
        self._age = metrics.outbox_oldest.labels(lane)
        self._added = anyio.Event()
        self.progress = anyio.Event()
        """Set once when entries are taken up, then replaced; fetch it before looking, then wait on it."""
        self.depth = 0

    def admit(self) -> None:
        """Refuse a write while too much waits.

        Raises:
            OverloadedError: nothing was changed.
        """
        if self.depth >= self._most:
            message = f"{self.depth} changes wait to be indexed, the limit is {self._most}; try again later"
            raise OverloadedError(message)

    def set(self, depth: int) -> None:
        """Note what was counted, and wake those who wait for their entries."""
        self.depth = depth
        self._gauge.set(depth)
        self.progress.set()
        self.progress = anyio.Event()

    def aged(self, seconds: float) -> None:
        """Note how long the oldest entry has waited."""
        self._age.set(seconds)

    def add(self, entries: int) -> None:
        """Note committed entries and wake the indexer."""
        if entries:
            self.set(self.depth + entries)
            self._added.set()

    def remove(self, entries: int) -> None:
        """Note entries that were taken up, and wake those who wait for theirs."""
        self.set(max(0, self.depth - entries))

    async def added(self, seconds: float) -> None:
        """Wait for new entries, at most so long."""
        with anyio.move_on_after(seconds):
            await self._added.wait()
        self._added = anyio.Event()
