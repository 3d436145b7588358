"""Every number that the product reports about itself, in one registry per runtime.

Labels are bounded: route patterns, tool names, lanes and words of closed lists, never an org, a user or an id.
"""

import platform
from enum import Enum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_CALL_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
"""The objectives (0.2, 0.5 and 2 s) are bounds, so that a share under one is exact."""

_STEP_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Health(Enum):
    """How well a dependency answers; the value is what the gauge shows."""

    OK = 1.0
    DEGRADED = 0.5
    DOWN = 0.0


class Metrics:
    """The instruments; seconds are seconds, and a counter's exported name ends in `_total`."""

    def __init__(self, version: str = "") -> None:
        """An own registry, with the process's memory, CPU and descriptors in it."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._serving()
        self._searching()
        self._recording()
        Gauge("build_info", "The release that runs.", ("version", "python"), registry=self.registry).labels(
            version, platform.python_version()
        ).set(1)

    def health(self, dependency: str, health: Health) -> None:
        """Note what a check of `dependency` found."""
        self.dependency_health.labels(dependency).set(health.value)

    def _serving(self) -> None:
        self.http_requests = Counter(
            "http_requests_total", "HTTP requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.http_request_duration = Histogram(
            "http_request_duration_seconds",
            "From the request's first byte to the end of its answer; streams are not counted.",
            ("route",),
            registry=self.registry,
            buckets=_CALL_SECONDS,
        )
        self.tool_calls = Counter(
            "tool_calls_total",
            "Tool calls by outcome: ok or an error code.",
            ("tool", "outcome"),
            registry=self.registry,
        )
        self.tool_duration = Histogram(
            "tool_duration_seconds", "Time in a tool.", ("tool",), registry=self.registry, buckets=_CALL_SECONDS
        )
        self.sessions_open = Gauge(
            "sessions_open", "Connections and sessions that are open.", ("transport",), registry=self.registry
        )
        self.rate_limited = Counter(
            "rate_limited_total", "Calls refused by a rate limit.", ("policy",), registry=self.registry
        )
        self.dependency_health = Gauge(
            "dependency_health", "1 ok, 0.5 degraded, 0 down.", ("dependency",), registry=self.registry
        )

    def _searching(self) -> None:
        self.lane_duration = Histogram(
            "lane_duration_seconds", "Time in a lane.", ("lane",), registry=self.registry, buckets=_STEP_SECONDS
        )
        self.lane_outcomes = Counter(
            "lane_outcomes_total", "Lanes by outcome.", ("lane", "outcome"), registry=self.registry
        )
        self.embedded_texts = Counter("embedded_texts_total", "Pieces of text embedded.", registry=self.registry)
        self.embedding_duration = Histogram(
            "embedding_seconds", "Time of one batch in the model.", registry=self.registry, buckets=_STEP_SECONDS
        )

    def _recording(self) -> None:
        self.outbox_depth = Gauge(
            "outbox_depth", "Changes that an index has not taken over.", ("lane",), registry=self.registry
        )
        self.outbox_oldest = Gauge(
            "outbox_oldest_seconds", "Age of the oldest such change.", ("lane",), registry=self.registry
        )
        self.record_commit_duration = Histogram(
            "record_commit_seconds", "Time of one commit.", registry=self.registry, buckets=_STEP_SECONDS
        )
        self.record_group_size = Histogram(
            "record_group_size", "Writes made durable by one commit.", registry=self.registry, buckets=_SIZES
        )
