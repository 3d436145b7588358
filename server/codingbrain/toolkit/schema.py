"""JSON Schemas as short as they can be and still be true.

A client pays for every advertised schema with tokens of the model that it serves. So references are inlined, titles
are left out, and null too: an absent field is left out of a call, and is left out of an answer.

For callers a schema keeps types, choices, formats, descriptions and bounds of numbers. What an error explains in time
is left to it: bounds of lengths, that something may not be empty, that nothing unknown is taken. Choices are spelled
out once per name.

For readers it keeps names and types: of the answer all fields, of what is always there also its own fields that are
always there, and of everything else the type. Thus it allows more than is ever sent, but never less.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from pydantic import BaseModel, TypeAdapter

Schema = dict[str, Any]

_FOR_CALLERS: Final = (
    "type",
    "description",
    "enum",
    "const",
    "format",
    "pattern",
    "default",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
)
_INSIDE: Final = ("items", "additionalProperties")
_OUT_OF_SIGHT: Final = 2
_NOT_BLANK: Final = r"\S"


def arguments_schema(model: type[BaseModel]) -> Schema:
    """The schema that a call's arguments are advertised with."""
    return {"properties": {}, **_for_callers(_rooted(model.model_json_schema(mode="validation")), "", set())}


def result_schema(adapter: TypeAdapter[Any]) -> Schema:
    """The schema that every answer of a tool meets, once fields that are `None` or a default are left out."""
    return _for_readers(_rooted(adapter.json_schema(mode="serialization")), 0)


def _rooted(schema: Schema) -> Schema:
    inlined = _without(_inline(schema, schema.get("$defs", {}), ()), "description")
    if inlined.get("type") != "object":
        message = "a tool's arguments and result are objects"
        raise TypeError(message)
    return inlined


def _inline(schema: Schema, defs: Mapping[str, Schema], path: tuple[str, ...]) -> Schema:
    """The schema without references and without null; `path` holds the references that lead to it.

    Raises:
        TypeError: a model refers to itself.
    """
    if (reference := schema.get("$ref")) is not None:
        if reference in path:
            message = f"{reference} refers to itself, so it cannot be written inline"
            raise TypeError(message)
        target = _without(defs[reference.removeprefix("#/$defs/")], "description")
        return _inline({**target, **_without(schema, "$ref")}, defs, (*path, reference))
    if (choices := schema.get("anyOf") or schema.get("oneOf")) is not None:
        rest = _without(schema, "anyOf", "oneOf", "discriminator")
        union = [_inline(choice, defs, path) for choice in choices if choice.get("type") != "null"]
        return {**union[0], **rest} if len(union) == 1 else {"anyOf": union, **rest}
    inlined = dict(schema)
    for key in _inside(schema):
        inlined[key] = _inline(schema[key], defs, path)
    if properties := _properties(schema):
        inlined["properties"] = {name: _inline(each, defs, path) for name, each in properties.items()}
        inlined["required"] = [name for name in _required(schema) if not _is_nullable(properties[name])]
    return inlined


def _for_callers(schema: Schema, name: str, told: set[str]) -> Schema:
    """`name` is the field that the schema describes; `told` holds the fields whose choices were given before."""
    kept = {key: schema[key] for key in _FOR_CALLERS if key in schema and not _goes_without_saying(key, schema[key])}
    if "enum" in kept:
        kept = _without(kept, "enum") if name in told else kept
        told.add(name)
    if "anyOf" in schema:
        kept["anyOf"] = [_for_callers(choice, name, told) for choice in schema["anyOf"]]
    if properties := _properties(schema):
        kept["properties"] = {field: _for_callers(each, field, told) for field, each in properties.items()}
    kept |= {key: _for_callers(schema[key], name, told) for key in _inside(schema)}
    return kept | ({"required": required} if (required := _required(schema)) else {})


def _for_readers(schema: Schema, level: int) -> Schema:
    """At level 0 the answer itself, at 1 what its fields hold, at 2 what is inside that."""
    if "anyOf" in schema:
        return {"anyOf": [_for_readers(choice, level) for choice in schema["anyOf"]]}
    kept: Schema = {"type": schema["type"]} if "type" in schema else {}
    if level == _OUT_OF_SIGHT:
        return kept
    properties, required = _properties(schema), _required(schema)
    shown = properties if level == 0 else {name: properties[name] for name in required}
    if shown:
        depths = {name: level + 1 if name in required else _OUT_OF_SIGHT for name in shown}
        kept["properties"] = {name: _for_readers(each, depths[name]) for name, each in shown.items()}
    if required and level == 0:
        kept["required"] = required
    return kept | {key: _for_readers(schema[key], level) for key in _inside(schema)}


def _properties(schema: Schema) -> dict[str, Schema]:
    return schema.get("properties", {})


def _required(schema: Schema) -> list[str]:
    return schema.get("required", [])


def _inside(schema: Schema) -> list[str]:
    return [key for key in _INSIDE if isinstance(schema.get(key), dict)]


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def _goes_without_saying(key: str, value: object) -> bool:
    """What is absent is nothing, false, zero or empty; and a text is not blank."""
    return (key == "default" and not value) or (key == "pattern" and value == _NOT_BLANK)


def _is_nullable(schema: Schema) -> bool:
    return any(each.get("type") == "null" for each in cast("list[Schema]", schema.get("anyOf", [])))
