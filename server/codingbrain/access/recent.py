"""What was found out about tokens a moment ago, so that a busy caller does not cost the same work at each call."""

from typing import Final, Generic, TypeVar

from codingbrain.clock import Clock, Micros

T = TypeVar("T")

_MOST: Final = 4_096


class Recent(Generic[T]):
    """Findings by the digest of their token, each good until its own end; the oldest make room for new ones."""

    def __init__(self, clock: Clock, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._found: dict[bytes, tuple[Micros, Micros, T]] = {}
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Changes when everything is forgotten; take it before finding out what is then put."""
        return self._epoch

    def get(self, digest: bytes) -> T | None:
        """What was found out, if it still counts; a clock that was set back does not prolong that."""
        found = self._found.get(digest)
        return found[2] if found is not None and found[0] <= self._clock() < found[1] else None

    def put(self, digest: bytes, finding: T, until: Micros, epoch: int) -> None:
        """Remember, unless everything was forgotten since `epoch`."""
        if epoch != self._epoch:
            return
        self._found.pop(digest, None)
        if len(self._found) >= self._most:
            del self._found[next(iter(self._found))]
        self._found[digest] = (self._clock(), until, finding)

    def forget(self) -> None:
        """Find everything out anew."""
        self._epoch += 1
        self._found.clear()
