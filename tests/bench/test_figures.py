"""The gate compares ratios, not values, and knows which way is worse."""

from pathlib import Path

import pytest

from tests.bench.figure import Figure, accept, table, typical, worse

SLOW = Figure("search: p50", 20.0, "ms", 2.0, "floor")
FEW = Figure("add: rate", 500.0, "1/s", 1_000.0, "floor", more=True)


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    accept([SLOW, FEW], path)
    return path


def test_the_same_ratios_pass_whatever_the_machine(baseline: Path) -> None:
    half_as_fast = [
        Figure("search: p50", 40.0, "ms", 4.0, "floor"),
        Figure("add: rate", 250.0, "1/s", 500.0, "floor", more=True),
    ]
    assert list(worse(half_as_fast, 1.1, baseline)) == []


def test_a_worse_latency_and_a_worse_rate_are_named(baseline: Path) -> None:
    found = [
        Figure("search: p50", 31.0, "ms", 2.0, "floor"),
        Figure("add: rate", 300.0, "1/s", 1_000.0, "floor", more=True),
    ]
    assert [fault.partition(":")[0] for fault in worse(found, 1.5, baseline)] == ["search", "add"]


def test_better_passes(baseline: Path) -> None:
    found = [
        Figure("search: p50", 1.0, "ms", 2.0, "floor"),
        Figure("add: rate", 5_000.0, "1/s", 1_000.0, "floor", more=True),
    ]
    assert list(worse(found, 1.0, baseline)) == []


def test_a_figure_without_a_baseline_does_not_pass_unseen(baseline: Path) -> None:
    assert list(worse([Figure("new", 1.0, "ms", 1.0, "floor")], 9.0, baseline))


def test_a_ratio_above_its_ceiling_is_named_whatever_the_baseline_says(baseline: Path) -> None:
    found = [Figure("search: p50", 22.0, "ms", 2.0, "floor", ceiling=10.9)]
    assert [fault.partition(":")[0] for fault in worse(found, 9.0, baseline)] == ["search"]


def test_what_chance_decides_is_shown_but_not_gated(baseline: Path) -> None:
    tail = Figure("search: p99", 900.0, "ms", 1.0, "floor", gated=False)
    assert list(worse([tail], 1.0, baseline)) == []
    assert "search: p99" in table([tail])


def test_accepting_some_keeps_the_others(baseline: Path) -> None:
    accept([Figure("search: p50", 10.0, "ms", 2.0, "floor")], baseline)
    assert list(worse([FEW], 1.0, baseline)) == []


def test_the_table_shows_value_and_ratio() -> None:
    assert table([SLOW]).splitlines()[1].split()[:5] == ["search:", "p50", "20", "ms", "10"]


def test_of_several_runs_the_median_ratio_counts() -> None:
    runs = [[Figure("search: p50", value, "ms", 2.0, "floor"), FEW] for value in (90.0, 20.0, 30.0)]
    assert typical(runs) == [Figure("search: p50", 30.0, "ms", 2.0, "floor"), FEW]
