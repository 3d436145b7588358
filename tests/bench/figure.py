"""A figure beside the reference that it is judged by, and the gate that compares both with a baseline."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Final

BASELINE: Final = Path(__file__).with_name("baseline.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and the same machine's reference taken in the same run.

    `more` says that more is better; `gated` is false for what a run this short cannot tell apart from chance.
    `ceiling` is the most that the ratio may be, whatever the baseline says.
    """

    name: str
    value: float
    unit: str
    reference: float
    of: str
    more: bool = False
    gated: bool = True
    ceiling: float | None = None

    @property
    def ratio(self) -> float:
        """How many times the reference: this, not the value, can be compared between machines."""
        return self.value / self.reference


def typical(runs: Iterable[Iterable[Figure]]) -> list[Figure]:
    """Of each figure the one with the median ratio, in the order of the first run."""
    found: dict[str, list[Figure]] = {}
    for figure in chain.from_iterable(runs):
        found.setdefault(figure.name, []).append(figure)
    return [sorted(same, key=lambda one: one.ratio)[len(same) // 2] for same in found.values()]


def table(figures: Iterable[Figure]) -> str:
    """One line per figure."""
    head = f"{'figure':<44}{'value':>12} {'unit':<8}{'ratio':>9}  of reference"
    return "\n".join([head, *map(_line, figures)])


def report(figures: Sequence[Figure], about: Mapping[str, object], path: Path) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(figure) | {"ratio": figure.ratio} for figure in figures]
    path.write_text(json.dumps({**about, "figures": rows}, indent=2) + "\n", "utf-8")


def accept(figures: Iterable[Figure], path: Path = BASELINE) -> None:
    """Make these ratios the baseline; figures that were not measured now keep theirs."""
    kept = _baseline(path) if path.exists() else {}
    kept |= {figure.name: round(figure.ratio, 4) for figure in figures if figure.gated}
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n", "utf-8")


def worse(figures: Iterable[Figure], factor: float, path: Path = BASELINE) -> Iterator[str]:
    """A sentence for each ratio above its ceiling, or worse than the baseline's by more than `factor`."""
    figures, baseline = list(figures), _baseline(path)
    for figure in figures:
        if figure.ceiling is not None and figure.ratio > figure.ceiling:
            yield f"{figure.name}: ratio {figure.ratio:.3g}, at most {figure.ceiling:g} is allowed"
    for figure in (figure for figure in figures if figure.gated):
        before = baseline.get(figure.name)
        if before is None:
            yield f"{figure.name}: the baseline does not know it; accept it with --accept"
        elif (before / figure.ratio if figure.more else figure.ratio / before) > factor:
            yield f"{figure.name}: ratio {figure.ratio:.3g}, baseline {before:.3g}, worse by more than {factor:g} times"


def _baseline(path: Path) -> dict[str, float]:
    return json.loads(path.read_text("utf-8"))


def _line(figure: Figure) -> str:
    value = f"{figure.value:.0f}" if figure.value >= 1_000 else f"{figure.value:.3g}"
    return f"{figure.name:<44}{value:>12} {figure.unit:<8}{figure.ratio:>9.3g}  {figure.of}"
