"""What is wrong with a call's arguments, in one sentence per fault that names the field and the limit.

Nothing that the caller sent is repeated, except short names.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from codingbrain.errors import CodingbrainError, InvalidArgumentError, LimitExceededError
from codingbrain.toolkit.catalogue import printable

MAX_VALUES: Final = 10_000
"""Values in all arguments of one call, nested ones included."""

MAX_DEPTH: Final = 16
"""Levels of nesting."""

M = TypeVar("M", bound=BaseModel)

_NAMED: Final = 5
_Fault = Mapping[str, Any]
_LIMITS: Final[Mapping[str, Callable[[_Fault], str]]] = {
    "string_too_long": lambda ctx: f"may have at most {ctx['max_length']} characters",
    "bytes_too_long": lambda ctx: f"may have at most {ctx['max_length']} bytes",
    "too_long": lambda ctx: f"may have at most {ctx['max_length']} items",
    "less_than": lambda ctx: f"must be less than {ctx['lt']}",
    "less_than_equal": lambda ctx: f"may be at most {ctx['le']}",
}
_FORMS: Final[Mapping[str, Callable[[_Fault], str]]] = {
    "missing": lambda _: "is required",
    "string_too_short": lambda ctx: f"needs at least {_count(ctx['min_length'], 'character')}",
    "too_short": lambda ctx: f"needs at least {_count(ctx['min_length'], 'item')}",
    "greater_than": lambda ctx: f"must be greater than {ctx['gt']}",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']}",
    "string_pattern_mismatch": lambda ctx: (
        "must not be blank" if ctx["pattern"] == r"\S" else f"must match {ctx['pattern']}"
    ),
    "uuid_parsing": lambda _: "must be a UUID",
    "enum": lambda ctx: f"must be one of {ctx['expected']}",
    "literal_error": lambda ctx: f"must be one of {ctx['expected']}",
}


def validated(model: type[M], arguments: Mapping[str, object]) -> M:
    """The arguments as the tool declared them.

    Raises:
        LimitExceededError: everything that is wrong is too large.
        InvalidArgumentError: something is missing, unknown or malformed.
    """
    _inspect(arguments)
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise _explained(model, error) from None


def _inspect(arguments: Mapping[str, object]) -> None:
    """Refuse what no store can hold, and more values than any call needs, before a model sees them."""
    for count, (where, value, depth) in enumerate(_walk(arguments)):
        if count >= MAX_VALUES:
            raise LimitExceededError(f"The arguments may hold at most {MAX_VALUES} values.")
        if depth > MAX_DEPTH:
            raise LimitExceededError(f"`{where}` may be nested at most {MAX_DEPTH} levels deep.")
        if isinstance(value, str) and not _is_storable(value):
            raise InvalidArgumentError(f"`{where}` holds a NUL character or half of a surrogate pair.", fields=[where])


def _walk(arguments: Mapping[str, object]) -> Iterator[tuple[str, object, int]]:
    """Every key and value with the argument that it is part of, without recursion."""
    waiting = [(printable(name), value, 1) for name, value in arguments.items()]
    yield from ((printable(name), name, 1) for name in arguments)
    while waiting:
        where, value, depth = waiting.pop()
        yield where, value, depth
        if isinstance(value, dict):
            inner = cast("dict[str, object]", value)
            yield from ((where, key, depth) for key in inner)
            waiting += [(where, each, depth + 1) for each in inner.values()]
        elif isinstance(value, list):
            waiting += [(where, each, depth + 1) for each in cast("list[object]", value)]


def _is_storable(text: str) -> bool:
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _explained(model: type[BaseModel], error: ValidationError) -> CodingbrainError:
    faults = error.errors(include_url=False, include_input=False)
    shown = list(_sentences(model, faults[:_NAMED]))
    if len(faults) > _NAMED:
        shown.append(f"{len(faults) - _NAMED} more faults are not listed.")
    kind = LimitExceededError if all(fault["type"] in _LIMITS for fault in faults) else InvalidArgumentError
    return kind(" ".join(shown), fields=list(dict.fromkeys(_field(fault) for fault in faults[:_NAMED])))


def _sentences(model: type[BaseModel], faults: Iterable[ErrorDetails]) -> Iterator[str]:
    for fault in faults:
        kind, ctx = fault["type"], fault.get("ctx", {})
        if kind == "extra_forbidden":
            known = ", ".join(field.alias or name for name, field in model.model_fields.items())
            yield f"`{_field(fault)}` is not an argument; known are: {known or 'none'}."
        elif say := _LIMITS.get(kind) or _FORMS.get(kind):
            yield f"`{_field(fault)}` {say(ctx)}."
        else:
            words = fault["msg"].removeprefix("Value error, ").rstrip(".")
            yield f"`{_field(fault)}`: {words[:1].lower()}{words[1:]}." if fault["loc"] else f"{words}."


def _field(fault: ErrorDetails) -> str:
    """`items.3.text`; parts that name a branch of a union, in capitals or with brackets, are left out."""
    return ".".join(printable(str(part)) for part in fault["loc"] if str(part).isidentifier() or isinstance(part, int))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
