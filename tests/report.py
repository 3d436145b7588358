"""Merges the suites' JUnit files into one summary: `python -m tests.report reports`."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tests.requirements.manifest import Manifest

OUTCOMES = ("failure", "error", "skipped")


@dataclass(frozen=True, slots=True)
class Case:
    """One test's result."""

    suite: str
    name: str
    outcome: str
    seconds: float
    proves: tuple[str, ...]


def cases(path: Path) -> Iterator[Case]:
    """The results in one JUnit file; the file's name is the suite's."""
    for element in ET.parse(path).iter("testcase"):  # noqa: S314 - the files are our own
        outcome = next((each for each in OUTCOMES if element.find(each) is not None), "passed")
        proves = (each.get("value", "") for each in element.iter("property") if each.get("name") == "proves")
        name = f"{element.get('classname')}::{element.get('name')}"
        yield Case(path.stem, name, outcome, float(element.get("time", 0)), tuple(proves))


def summary(found: list[Case], manifest: Manifest) -> dict[str, Any]:
    """Counts per suite, what went wrong, and how each delivered requirement stands."""
    bad = [case for case in found if case.outcome in {"failure", "error"}]
    return {
        "suites": {suite: _counts([case for case in found if case.suite == suite]) for suite in _suites(found)},
        "total": _counts(found),
        "failed": [f"{case.suite}: {case.name}" for case in bad],
        "requirements": {
            each: {"status": delivery.status, "note": delivery.note}
            | _counts([case for case in found if each in case.proves])
            for each, delivery in manifest.delivered.items()
        },
    }


def main(folder: Path) -> int:
    """Write `summary.json` beside the JUnit files; 1 if a test failed or no suite has run."""
    found = [case for path in sorted(folder.glob("*.xml")) if path.name != "coverage.xml" for case in cases(path)]
    merged = summary(found, Manifest.load())
    (folder / "summary.json").write_text(json.dumps(merged, indent=2) + "\n", "utf-8")
    for suite, counts in (merged["suites"] | {"total": merged["total"]}).items():
        print(f"{suite:12} {counts['passed']:5} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 0 if found and not merged["failed"] else 1


def _suites(found: list[Case]) -> list[str]:
    return sorted({case.suite for case in found})


def _counts(found: list[Case]) -> dict[str, Any]:
    counted = Counter(case.outcome for case in found)
    bad = counted["failure"] + counted["error"]
    seconds = round(sum(case.seconds for case in found), 1)
    return {"passed": counted["passed"], "failed": bad, "skipped": counted["skipped"], "seconds": seconds}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
