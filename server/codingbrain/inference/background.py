"""A thread for work that can wait, which gives way to every other thread that wants the processor.

Give it only work that leaves the interpreter lock: a thread that is denied the processor while it holds the lock stops
all others.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import get_native_id
from typing import Final, TypeVar

T = TypeVar("T")

_NICE: Final = 10
"""How much less urgent the thread is (nice(2)): about a tenth of the processor where others want all of it."""


class Background:
    """One thread of its own, as a thread that became less urgent may not become urgent again."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name, _give_way)

    def run(self, work: Callable[[], T]) -> T:
        """Do `work` there and wait for it; calls queue up."""
        return self._thread.submit(work).result()


def _give_way() -> None:
    # Only Linux has a priority for each thread; elsewhere the number would name a process.
    if sys.platform == "linux":
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICE)
