"""Which objects carry which audience and labels, and when they were created: one place for each object."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from codingbrain.ports.filters import Filter
from codingbrain.stores.vectors.column import Column

Mask = NDArray[np.bool_]
Places = NDArray[np.int32]


class Postings:
    """Places by name."""

    def __init__(self) -> None:
        self._lists: dict[str, Column[np.int32]] = {}

    def append(self, name: str, places: Places | Sequence[int]) -> None:
        """Say that places carry a name."""
        self._lists.setdefault(name, Column(np.int32)).append(np.asarray(places, np.int32))

    def mark(self, names: Iterable[str], mask: Mask, *, value: bool) -> Mask:
        """Set the mask at every place that carries one of the names."""
        for name in names:
            if name in self._lists:
                mask[self._lists[name].view] = value
        return mask

    def moved(self, target: Places) -> "Postings":
        """The same after each place moved to its target; those with a negative one are gone."""
        moved = Postings()
        for name, column in self._lists.items():
            places = target[column.view]
            if (places >= 0).any():
                moved.append(name, places[places >= 0])
        return moved

    @property
    def nbytes(self) -> int:
        """Memory taken, about."""
        return sum(column.nbytes + 400 for column in self._lists.values())


class Facets:
    """The facets of all places, as far as a filter asks for them."""

    def __init__(self) -> None:
        self.audiences = Postings()
        self.labels = Postings()
        self.created = Column(np.int64)

    def allowed(self, wanted: Filter) -> Mask:
        """The places that pass."""
        created = self.created.view
        mask = self.audiences.mark(wanted.audiences, np.zeros(len(created), np.bool_), value=True)
        for group in wanted.every:
            mask &= self.labels.mark(group, np.zeros(len(created), np.bool_), value=True)
        self.labels.mark(wanted.none, mask, value=False)
        if wanted.since is not None:
            mask &= created >= wanted.since
        if wanted.until is not None:
            mask &= created < wanted.until
        return mask

    def moved(self, target: Places) -> "Facets":
        """The same after each place moved to its target, in order; those with a negative one are gone."""
        moved = Facets()
        moved.audiences = self.audiences.moved(target)
        moved.labels = self.labels.moved(target)
        moved.created.append(self.created.view[target >= 0])
        return moved

    @property
    def nbytes(self) -> int:
        """Memory taken, about."""
        return self.audiences.nbytes + self.labels.nbytes + self.created.nbytes
