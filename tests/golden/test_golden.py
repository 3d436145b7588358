"""What others depend on, as files: a change is a visible difference, accepted with `make accept`."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codingbrain import errors
from codingbrain.errors import CodingbrainError
from codingbrain.settings import Settings
from codingbrain.toolkit.catalogue import Catalogue
from codingbrain.toolkit.mcp import PROTOCOL_ERRORS, described
from codingbrain.toolkit.replies import status_of
from codingbrain_tools import INSTRUCTIONS, TOOLS

HERE = Path(__file__).parent


def _kinds(kind: type[CodingbrainError]) -> list[type[CodingbrainError]]:
    return [kind, *(each for sub in kind.__subclasses__() for each in _kinds(sub))]


def tools() -> dict[str, Any]:
    catalogue = Catalogue(TOOLS)
    listed = {entry.tool.name: described(entry) for entry in catalogue.entries}
    scopes = {tool.name: sorted(tool.scopes) for tool in TOOLS}
    return {"instructions": INSTRUCTIONS, "tools": listed, "scopes": scopes}


def failures() -> dict[str, Any]:
    """Each code once, with how each face answers it."""
    table: dict[str, Any] = {}
    for kind in _kinds(CodingbrainError):
        rpc = next((code for failure, code in PROTOCOL_ERRORS.items() if issubclass(kind, failure)), "isError")
        http = status_of(kind)
        row = {"retryable": kind.retryable, "http": http, "mcp": rpc}
        assert table.setdefault(kind.code, row) == row, f"{kind.__name__} answers its code in another way"
    return table


def settings() -> dict[str, Any]:
    schema = Settings.model_json_schema()["properties"]
    return {name: {key: value for key, value in field.items() if key != "title"} for name, field in schema.items()}


@pytest.mark.parametrize("produce", [tools, failures, settings], ids=lambda produce: produce.__name__)
def test_nothing_changed_unseen(produce: Callable[[], dict[str, Any]]) -> None:
    path = HERE / f"{produce.__name__}.json"
    text = json.dumps(produce(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("ACCEPT") == "1":
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def test_every_failure_is_in_the_one_tree() -> None:
    named = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert named == set(_kinds(CodingbrainError))
