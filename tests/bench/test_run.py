"""The speed benchmark itself: it measures real processes, and its gate can fail."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def harness() -> Run:
    """`make bench` with options."""

    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", "tests.bench.run", "--part", "start", "--starts", "1", *options]
        return subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.mark.proves("TEST-5")
def test_figures_stand_beside_a_reference_and_the_gate_can_fail(harness: Run, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    failed = harness("--report", str(report), "--gate", "--factor", "0.01")
    assert failed.returncode == 1
    assert "start to first answer" in failed.stderr
    figures = {figure["name"]: figure for figure in json.loads(report.read_text())["figures"]}
    assert {"start to first answer: serve", "start to first answer: mcp, first client"} <= set(figures)
    assert all(figure["value"] > 0 and figure["ratio"] > 0 for figure in figures.values())
