"""Logs: one line per event on stderr, as JSON or as text for people, and to an OTLP collector if one is configured.

Nothing leaves the machine unless an endpoint is given. Library logs below WARNING carry message bodies and SQL
parameters, so they are never written, at no level.
"""

import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, TextIO
from uuid import UUID

from loguru import logger
from opentelemetry import trace

from codingbrain.clock import from_datetime, to_iso
from codingbrain.errors import ConfigurationError
from codingbrain.identity import principal
from codingbrain.telemetry import context
from codingbrain.telemetry.redaction import redact

if TYPE_CHECKING:
    from loguru import Message, Record

Level = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"]
Format = Literal["json", "text"]
Sink = Callable[["Message"], None]

_SPOKEN: Final = ("uvicorn.error",)
"""Libraries whose INFO lines say what an operator wants to know and hold no caller's data."""

_BODIED: Final = ("mcp", "sse_starlette", "sqlalchemy")
"""Libraries whose exception texts repeat what a caller sent."""


class Logs:
    """The running log; its level can change while it runs."""

    def __init__(self, level: Level, sinks: Sequence[Sink]) -> None:
        self.level: Level = level
        self._sinks = sinks
        self._added: list[int] = []
        self.set_level(level)

    def set_level(self, level: Level) -> None:
        """Log from `level` on; takes effect at once."""
        former, self.level = self._added, level
        self._added = [logger.add(sink, level=level, format="{message}", catch=True) for sink in self._sinks]
        for added in former:
            logger.remove(added)
        _listen(level)


@contextmanager
def open_logs(
    level: Level, form: Format, *, otlp_endpoint: str | None = None, version: str = "", out: TextIO | None = None
) -> Generator[Logs]:
    """Log until the block ends; `out` is stderr unless given. The standard library's logging is taken over.

    Raises:
        ConfigurationError: an endpoint is given but the `otlp` extra is not installed.
    """
    with ExitStack() as ending:
        sinks = [_writer(_as_json if form == "json" else _as_text, out or sys.stderr)]
        if otlp_endpoint:
            export, flush = _exporter(otlp_endpoint, version)
            ending.callback(flush)
            sinks.append(export)
        logger.remove()
        ending.callback(logger.remove)
        logger.configure(patcher=_patch)
        ending.callback(_take_over())
        yield Logs(level, sinks)


def _writer(render: Callable[["Record"], str], out: TextIO) -> Sink:
    def write(message: "Message") -> None:
        out.write(render(message.record) + "\n")
        out.flush()

    return write


def _exporter(endpoint: str, version: str) -> tuple[Sink, Callable[[], None]]:
    """The sink and what flushes it; its module is loaded only here, because the SDK behind it is an extra."""
    try:
        export = import_module("codingbrain.telemetry.export")
    except ModuleNotFoundError as error:
        fault = f"otlp_endpoint: {error.name} is missing; install codingbrain[otlp]"
        raise ConfigurationError([fault]) from None
    return export.sink(endpoint, version)


def _patch(record: "Record") -> None:
    """Say what the event belongs to, and take secrets out, once for all sinks."""
    extra = record["extra"]
    extra.update(_belonging())
    record["message"] = redact(record["message"])
    if error := record["exception"]:
        form = _place if extra.pop("bodied", False) else traceback.format_exception
        extra["exception"] = redact("".join(form(error.type, error.value, error.traceback)))
        record["exception"] = None
    for key, value in extra.items():
        if isinstance(value, str) and key != "exception":
            extra[key] = redact(value)


def _place(kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> list[str]:
    """A traceback without the exception's own words."""
    del error
    return [*traceback.format_tb(at), getattr(kind, "__name__", "")]


def _belonging() -> Iterator[tuple[str, str]]:
    if request := context.request_id.get():
        yield "request_id", request
    if (span := trace.get_current_span().get_span_context()).is_valid:
        yield "trace_id", trace.format_trace_id(span.trace_id)
    if tool := context.tool.get():
        yield "tool", tool
    if caller := principal.current.get():
        yield "org", hashed(caller.org)
        yield "principal", hashed(caller.user)


def hashed(id_: UUID) -> str:
    """A short stable name for an id that does not give the id away."""
    return blake2b(id_.bytes, digest_size=6, person=b"codingbrain-log").hexdigest()


def _as_json(record: "Record") -> str:
    return json.dumps(
        {
            "time": to_iso(from_datetime(record["time"])),
            "level": record["level"].name,
            "message": record["message"],
            "logger": record["name"],
            **record["extra"],
        },
        ensure_ascii=False,
        separators=(",", ":"),
        default=str,
    )


def _as_text(record: "Record") -> str:
    extra = dict(record["extra"])
    error = extra.pop("exception", "")
    tail = "".join(f" {key}={value}" for key, value in extra.items())
    line = f"{record['time']:%H:%M:%S.%f} {record['level'].name:<7} {record['name']}: {record['message']}{tail}"
    return f"{line}\n{error.rstrip()}" if error else line


class _Intercept(logging.Handler):
    """Hands the standard library's records to loguru, under the name that logged them."""

    def emit(self, record: logging.LogRecord) -> None:
        library = record.name.partition(".")[0]
        bodied = {"bodied": True} if library in _BODIED and record.exc_info else {}
        logger.patch(lambda own: own.update(name=record.name)).bind(**bodied).opt(exception=record.exc_info).log(
            _level_of(record), "{}", record.getMessage()
        )


def _level_of(record: logging.LogRecord) -> str | int:
    try:
        return logger.level(record.levelname).name
    except ValueError:
        return record.levelno


def _listen(level: Level) -> None:
    """Set which records of libraries are worth making."""
    numeric = max(logger.level(level).no, logging.DEBUG)
    logging.getLogger().setLevel(max(numeric, logging.WARNING))
    for name in _SPOKEN:
        logging.getLogger(name).setLevel(max(numeric, logging.INFO))


def _take_over() -> Callable[[], None]:
    """Route the standard library's records and warnings to loguru; the result undoes it."""
    root = logging.getLogger()
    handlers, former, shown = root.handlers[:], root.level, warnings.showwarning
    root.handlers[:] = [_Intercept()]
    logging.captureWarnings(capture=True)

    def undo() -> None:
        logging.captureWarnings(capture=False)
        warnings.showwarning = shown
        root.handlers[:] = handlers
        root.setLevel(former)
        for name in _SPOKEN:
            logging.getLogger(name).setLevel(logging.NOTSET)

    return undo
