"""Decisions are numbered pages that say context, choice and cost."""

import re

from tests.house.sources import ROOT

PAGES = sorted((ROOT / "ops" / "decisions").glob("*.md"))


def test_decisions_are_numbered_without_gaps() -> None:
    assert [page.name[:5] for page in PAGES] == [f"{number:04}-" for number in range(1, len(PAGES) + 1)]


def test_decisions_say_context_choice_and_cost() -> None:
    for number, page in enumerate(PAGES, 1):
        text = page.read_text("utf-8")
        assert text.startswith(f"# {number}. "), page.name
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Choice", "Cost"], page.name
