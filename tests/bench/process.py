"""What a process and its children take: processor time and memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """A process, with all that it started."""

    pid: int

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self._family())

    def rss(self) -> float:
        """Resident megabytes."""
        return sum(one.memory_info().rss for one in self._family()) / MEGABYTE

    def _family(self) -> Iterator[psutil.Process]:
        process = psutil.Process(self.pid)
        yield process
        yield from process.children(recursive=True)


def pss(pids: Iterable[int]) -> float:
    """Megabytes of several processes, with what they share counted once (Linux: proportional set size)."""
    return sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / MEGABYTE
