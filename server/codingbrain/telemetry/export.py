"""Logs to an OTLP/HTTP collector, over the OpenTelemetry SDK of the `otlp` extra."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

if TYPE_CHECKING:
    from loguru import Message

_SEVERITIES = {
    "TRACE": SeverityNumber.TRACE,
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "SUCCESS": SeverityNumber.INFO2,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
}


def sink(endpoint: str, version: str) -> tuple[Callable[["Message"], None], Callable[[], None]]:
    """A loguru sink that sends in batches from its own thread, and what flushes and ends it."""
    provider = LoggerProvider(Resource.create({"service.name": "codingbrain", "service.version": version}))
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=_signal(endpoint))))
    loggers = provider.get_logger("codingbrain", version)

    def write(message: "Message") -> None:
        record = message.record
        nanos = int(record["time"].timestamp() * 1_000_000) * 1_000
        loggers.emit(
            LogRecord(
                timestamp=nanos,
                observed_timestamp=nanos,
                severity_number=_SEVERITIES.get(record["level"].name, SeverityNumber.UNSPECIFIED),
                severity_text=record["level"].name,
                body=record["message"],
                attributes={
                    "logger": record["name"] or "",
                    **{key: str(value) for key, value in record["extra"].items()},
                },
            )
        )

    return write, provider.shutdown


def _signal(endpoint: str) -> str:
    """An endpoint without a path gets the one that OTLP/HTTP assigns to logs."""
    return endpoint if urlsplit(endpoint).path.strip("/") else f"{endpoint.rstrip('/')}/v1/logs"
