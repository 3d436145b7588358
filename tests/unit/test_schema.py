"""Advertised schemas are short, and every real answer meets them."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from codingbrain.toolkit.schema import arguments_schema, result_schema


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: Colour | None = None
    name: str


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(min_length=1, max_length=10, pattern=r"\S")]
    colour: Colour = Field(Colour.RED, description="What it looks like")
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    flag: bool = False
    either: int | str | None = None
    items: list[Inner] | None = None


class Recursive(BaseModel):
    child: "Recursive | None" = None


@dataclass(frozen=True, slots=True)
class Deep:
    number: int
    maybe: str | None


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    colour: Colour
    nullable: int | None
    pairs: tuple[tuple[int, float], ...]
    deep: Deep
    optional: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows."""

    rows: tuple[Row, ...]
    by_name: dict[str, Row]
    either: int | str
    nothing: str | None
    cursor: str | None = None
    single: Row | None = None
    flags: dict[str, bool] = field(default_factory=dict[str, bool])


def test_arguments_say_what_helps_to_call_and_nothing_else() -> None:
    assert arguments_schema(Wanted) == {
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {"type": "string"},
            "colour": {
                "type": "string",
                "enum": ["red", "blue"],
                "default": "red",
                "description": "What it looks like",
            },
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            "flag": {"type": "boolean"},
            "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"colour": {"type": "string"}, "name": {"type": "string"}},
                },
            },
        },
    }


def test_results_open_what_is_always_there() -> None:
    row = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "colour": {"type": "string"},
            "pairs": {"type": "array"},
            "deep": {"type": "object"},
        },
    }
    assert result_schema(TypeAdapter(Page)) == {
        "type": "object",
        "required": ["rows", "by_name", "either"],
        "properties": {
            "rows": {"type": "array", "items": row},
            "by_name": {"type": "object", "additionalProperties": row},
            "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "nothing": {"type": "string"},
            "cursor": {"type": "string"},
            "single": {"type": "object"},
            "flags": {"type": "object"},
        },
    }


def test_a_property_may_be_called_like_a_keyword() -> None:
    class Named(BaseModel):
        title: str
        type: str = "x"
        properties: str = ""

    assert set(arguments_schema(Named)["properties"]) == {"title", "type", "properties"}


def test_no_arguments_are_an_empty_object() -> None:
    class Nothing(BaseModel):
        pass

    assert arguments_schema(Nothing) == {"type": "object", "properties": {}}


def test_a_recursive_model_is_refused() -> None:
    with pytest.raises(TypeError, match="refers to itself"):
        arguments_schema(Recursive)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(TypeError, match="objects"):
        result_schema(TypeAdapter[Any](list[int]))


@given(st.from_type(Page))
def test_every_answer_meets_its_schema(page: Page) -> None:
    adapter = TypeAdapter(Page)
    answer = adapter.dump_python(page, mode="json", exclude_none=True, exclude_defaults=True)
    jsonschema.validate(answer, result_schema(adapter))


def test_a_schema_is_valid_json_schema() -> None:
    for schema in (arguments_schema(Wanted), result_schema(TypeAdapter(Page))):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert json.loads(json.dumps(schema)) == schema
