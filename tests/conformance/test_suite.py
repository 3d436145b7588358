"""The suite's verdicts are read as it wrote them."""

import json
from pathlib import Path

from tests.conformance.suite import Report, Verdict, verdicts


def written(folder: Path, name: str, *statuses: str) -> None:
    (folder / name).mkdir(parents=True)
    checks = [{"id": f"check-{status}", "status": status, "errorMessage": "why"} for status in statuses]
    (folder / name / "checks.json").write_text(json.dumps(checks), "utf-8")


def test_verdicts_are_read(tmp_path: Path) -> None:
    written(tmp_path, "server-ping-2026-07-28T10-00-00-000Z", "SUCCESS", "SUCCESS", "INFO", "SKIPPED")
    written(tmp_path, "server-caching-2026-07-28T10-00-01-000Z", "SUCCESS", "FAILURE", "WARNING")
    assert verdicts(tmp_path, "server-") == {
        "caching": Verdict(1, ("check-FAILURE: why", "check-WARNING: why")),
        "ping": Verdict(2, ()),
    }


def test_a_scenario_may_have_a_path(tmp_path: Path) -> None:
    written(tmp_path, "auth/dpop-2026-07-28T10-00-00-000Z", "SUCCESS")
    assert verdicts(tmp_path, "") == {"auth/dpop": Verdict(1, ())}


def test_what_did_not_pass_is_found() -> None:
    report = Report(0, {"ping": Verdict(2, ()), "caching": Verdict(1, ("x: why",)), "tools-list": Verdict(0, ())}, "")
    assert report.unmet(frozenset({"ping"})) == []
    assert report.unmet(frozenset({"ping", "caching", "tools-list", "prompts-list"})) == [
        "caching: x: why",
        "prompts-list: did not run",
        "tools-list: checked nothing",
    ]
