"""The speed benchmark: `make bench`, or `python -m tests.bench.run`.

Each figure stands beside a reference taken on the same machine in the same run; their ratio is what `--gate`
compares with the committed `tests/bench/baseline.json`. Needs the collections (`python -m tests.quality.fetch`).
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench import calls, footprint, searches, startup, writes
from tests.bench.figure import Figure, accept, report, table, typical, worse
from tests.bench.server import serving
from tests.bench.texts import corpus

_PARTS: Final = ("start", "calls", "writes", "bulk", "search", "footprint")
_FACTOR: Final = 2.0


def main() -> int:
    """Measure, print, write the report; 1 if the gate is asked for and a ratio is too much worse."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="cb-") as folder:
        figures = typical(list(_measure(Path(folder) / str(number), asked)) for number in range(asked.runs))
    print(table(figures))
    about = {"python": platform.python_version(), "processors": os.cpu_count(), "memories": asked.size}
    report(figures, about, asked.report)
    if asked.accept:
        accept(figures)
    faults = list(worse(figures, asked.factor)) if asked.gate else []
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.bench.run", description=__doc__)
    parser.add_argument("--part", action="append", choices=_PARTS, help="default: all")
    parser.add_argument("--size", type=int, default=100_000, help="memories that are searched")
    parser.add_argument("--seeded", type=Path, help="keep the searched data directory here, and use it if it is there")
    parser.add_argument("--starts", type=int, default=startup.STARTS, help="starts of each kind that are timed")
    parser.add_argument("--runs", type=int, default=1, help="measure so many times and take the median ratios")
    parser.add_argument("--report", type=Path, default=Path("reports/bench.json"))
    parser.add_argument("--gate", action="store_true", help="fail if a ratio is worse than the baseline's")
    parser.add_argument("--factor", type=float, default=_FACTOR, help="how many times worse the gate lets pass")
    parser.add_argument("--accept", action="store_true", help="make the measured ratios the baseline")
    return parser.parse_args()


def _measure(folder: Path, asked: argparse.Namespace) -> Iterator[Figure]:
    """Each part takes the references anew, since a machine is seldom as busy as it was a minute before."""
    folder.mkdir()
    parts = asked.part or _PARTS
    if "start" in parts:
        yield from startup.measure(asked.starts)
    if "calls" in parts:
        yield from calls.measure()
    if "writes" in parts:
        alone, crowd, _ = searches.references(folder)
        yield from writes.single(folder, corpus(4_000).texts, alone, crowd)
        yield writes.following(folder, corpus(4_000).texts)
    if "bulk" in parts:
        yield writes.bulk(folder)
    if "search" in parts:
        yield from _search(folder, asked.seeded or folder.parent / "searched", asked.size)
    if "footprint" in parts:
        _, _, rss = searches.references(folder)
        yield from footprint.idle(folder, rss)
        yield footprint.fronts(folder, rss)
        yield footprint.installed()


def _search(folder: Path, data: Path, size: int) -> Iterator[Figure]:
    if not data.exists():
        searches.seed(data, size)
    questions = corpus(1).questions
    alone, crowd, rss = searches.references(folder)
    with serving(data) as server:
        yield searches.warmed(server, questions[0], size, data)
        yield from searches.measure(server, questions, size, alone, crowd)
        yield Figure(f"RSS, {size} memories", server.usage.rss(), "MB", rss, "bare SDK RSS")


if __name__ == "__main__":
    sys.exit(main())
