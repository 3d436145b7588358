"""The merged report counts what the suites' files say, per suite and per requirement."""

import json
from pathlib import Path

from tests.report import main

JUNIT = """<testsuites><testsuite>
<testcase classname="a" name="passes" time="1.5"><properties><property name="proves" value="RUN-1"/></properties>
</testcase>
<testcase classname="a" name="fails" time="0.5"><properties><property name="proves" value="RUN-1"/></properties>
<failure>no</failure></testcase>
<testcase classname="a" name="is_skipped" time="0"><skipped/></testcase>
</testsuite></testsuites>"""


def test_a_failure_is_merged_and_fails(tmp_path: Path) -> None:
    (tmp_path / "test.xml").write_text(JUNIT, "utf-8")
    (tmp_path / "coverage.xml").write_text("<coverage/>", "utf-8")
    assert main(tmp_path) == 1
    merged = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert merged["suites"] == {"test": {"passed": 1, "failed": 1, "skipped": 1, "seconds": 2.0}}
    assert merged["failed"] == ["test: a::fails"]
    assert merged["requirements"]["RUN-1"] == {
        "status": "complete",
        "note": "",
        "passed": 1,
        "failed": 1,
        "skipped": 0,
        "seconds": 2.0,
    }


def test_a_clean_run_passes(tmp_path: Path) -> None:
    (tmp_path / "test.xml").write_text(JUNIT.replace("<failure>no</failure>", ""), "utf-8")
    assert main(tmp_path) == 0


def test_no_run_is_no_success(tmp_path: Path) -> None:
    assert main(tmp_path) == 1
