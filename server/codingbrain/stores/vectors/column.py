"""A growable array whose readers keep what they have seen."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


class Column(Generic[Scalar]):
    """Values along the first axis; a view taken earlier stays as it was while more is appended."""

    def __init__(self, dtype: type[Scalar], width: tuple[int, ...] = (), room: int = 0) -> None:
        self._array: NDArray[Scalar] = np.empty((room, *width), dtype)
        self._size = 0

    def append(self, values: NDArray[Any]) -> None:
        """Append along the first axis; the amortised cost is that of copying `values`."""
        needed = self._size + len(values)
        if needed > len(self._array):
            room = max(needed, len(self._array) * 3 // 2, 16)
            grown = np.empty((room, *self._array.shape[1:]), self._array.dtype)
            grown[: self._size] = self.view
            self._array = grown
        self._array[self._size : needed] = values
        self._size = needed

    @property
    def view(self) -> NDArray[Scalar]:
        """What is there."""
        return self._array[: self._size]

    @property
    def nbytes(self) -> int:
        """What the values take; the room that is left was never written to, and takes no memory yet."""
        return self.view.nbytes
