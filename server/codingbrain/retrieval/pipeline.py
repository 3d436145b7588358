"""The search pipeline behind every search tool: plan, fan out, fuse, check against the record, trim."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
from loguru import logger

from codingbrain.clock import Clock
from codingbrain.domain.query import Answer, Hit, Lane, LaneReport, Query, Ran
from codingbrain.errors import CodingbrainError, DeadlineExceededError, InternalError, UnavailableError, ungrouped
from codingbrain.identity.principal import Principal, Tenant
from codingbrain.ids import Mint
from codingbrain.ports.filters import Filter
from codingbrain.ports.lexical import ColocatedLexical, TextQuery
from codingbrain.ports.matches import Match
from codingbrain.ports.vectors import VectorEngine, VectorQuery
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import TenantRecord
from codingbrain.retrieval.backlog import Backlog
from codingbrain.retrieval.cursor import Seal
from codingbrain.retrieval.encoder import ABSENT, LOADING, Absent, Encoder, Loading, Missing, Ready
from codingbrain.retrieval.labels import filters_of
from codingbrain.retrieval.plan import Plan, plan
from codingbrain.retrieval.ranking import Page, Ranking
from codingbrain.retrieval.snippet import snippet
from codingbrain.retrieval.tuning import Tuning
from codingbrain.telemetry.metrics import Metrics

Allowed = Mapping[Tenant, Filter]
"""What a lane may return, by org."""

_OVERHEAD_BYTES: Final = 240
"""What a hit takes besides its text."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The stores and the model that this server runs on."""

    record: SqliteRecord
    lexical: ColocatedLexical
    vectors: VectorEngine
    encoder: Encoder


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that searches share."""

    engines: Engines
    follows: Backlog | None
    tuning: Tuning
    seal: Seal
    metrics: Metrics
    clock: Clock
    mint: Mint


class _Trace:
    """What happened so far in one search."""

    def __init__(self) -> None:
        self.lists: dict[Lane, Sequence[Match]] = {}
        self.reports: dict[Lane, LaneReport] = {}
        self.timings: dict[str, float] = {}


class Search:
    """Searches of one principal."""

    def __init__(self, pipeline: Pipeline, principal: Principal) -> None:
        self._pipeline = pipeline
        self._principal = principal
        self._record = TenantRecord(pipeline.engines.record, principal)

    async def run(self, query: Query) -> Answer:
        """Answer a query.

        Raises:
            InvalidArgumentError, LimitExceededError, InvalidCursorError: the query is not well formed.
            UnavailableError: no lane could answer.
        """
        started = time.perf_counter()
        asked, offset = plan(query), self._offset(query)
        trace = _Trace()
        await self._fan_out(asked, filters_of(query.criteria, self._principal), trace)
        if Lane.LEXICAL not in trace.lists and Lane.VECTOR not in trace.lists:
            reasons = "; ".join(f"{lane}: {report.reason}" for lane, report in trace.reports.items())
            message = f"no lane of the search can answer now ({reasons}); try again in a moment"
            raise UnavailableError(message)
        page = await self._rank(query, offset, trace)
        kept = _within(page.hits, query.max_tokens)
        trace.timings["total"] = _millis(started)
        return self._answer(query, kept, offset + len(kept) < page.found, offset, trace)

    def _answer(self, query: Query, hits: Sequence[Hit], more: bool, offset: int, trace: _Trace) -> Answer:  # noqa: FBT001 - a plain fact
        cursor = None
        if more and hits:
            cursor = self._pipeline.seal.seal(self._principal, (query.text, query.criteria.key), offset + len(hits))
        degraded = any(report.outcome is Ran.FAILED for report in trace.reports.values())
        return Answer(self._pipeline.mint(), tuple(hits), trace.reports, degraded, trace.timings, cursor)

    def _offset(self, query: Query) -> int:
        if query.cursor is None:
            return 0
        return int(self._pipeline.seal.open(self._principal, (query.text, query.criteria.key), query.cursor))

    async def _fan_out(self, asked: Plan, allowed: Allowed, trace: _Trace) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._lane, Lane.LEXICAL, lambda: self._lexical(asked, allowed), trace)
            match self._pipeline.engines.encoder.state:
                case Ready():
                    tasks.start_soon(self._lane, Lane.VECTOR, lambda: self._vector(asked, allowed), trace)
                case Loading():
                    trace.reports[Lane.VECTOR] = LaneReport(Ran.FAILED, reason=LOADING)
                case Missing(reason):
                    trace.reports[Lane.VECTOR] = LaneReport(Ran.FAILED, reason=reason)
                case Absent():
                    trace.reports[Lane.VECTOR] = LaneReport(Ran.SKIPPED, reason=ABSENT)

    async def _lane(self, lane: Lane, search: Callable[[], Awaitable[Sequence[Match]]], trace: _Trace) -> None:
        """Run one lane within its time; its failure costs the lane, not the search."""
        started = time.perf_counter()
        try:
            with anyio.fail_after(self._pipeline.tuning.lane_timeout):
                trace.lists[lane] = await search()
            report = LaneReport(Ran.RAN, _millis(started), limits=self._limits(lane))
        except CodingbrainError as error:
            report = LaneReport(Ran.FAILED, _millis(started), error.code)
        except TimeoutError:
            report = LaneReport(Ran.FAILED, _millis(started), DeadlineExceededError.code)
        except Exception as error:  # noqa: BLE001 - a lane that is broken in whatever way must not take the others along
            logger.opt(exception=error).error("the {} lane broke", lane)
            report = LaneReport(Ran.FAILED, _millis(started), InternalError.code)
        trace.reports[lane] = report
        trace.timings[lane] = report.millis
        self._pipeline.metrics.lane_duration.labels(lane).observe(report.millis / 1_000)
        self._pipeline.metrics.lane_outcomes.labels(lane, report.outcome).inc()

    def _limits(self, lane: Lane) -> str | None:
        state = self._pipeline.engines.encoder.state
        return state.embedder.limits if lane is Lane.VECTOR and isinstance(state, Ready) else None

    async def _lexical(self, asked: Plan, allowed: Allowed) -> Sequence[Match]:
        engine, most = self._pipeline.engines.lexical, self._pipeline.tuning.candidates

        async def search(tenant: Tenant, own: Filter) -> Sequence[Match]:
            return await engine.tenant(tenant).search(TextQuery(asked.text, own, most, asked.phrases))

        return await _merged(search, allowed, most)

    async def _vector(self, asked: Plan, allowed: Allowed) -> Sequence[Match]:
        state = self._pipeline.engines.encoder.state
        if not isinstance(state, Ready):
            raise UnavailableError(LOADING)
        vector = await state.embedder.query(asked.text)
        engine, model, most = self._pipeline.engines.vectors, state.embedder.model, self._pipeline.tuning.candidates

        async def search(tenant: Tenant, own: Filter) -> Sequence[Match]:
            return await engine.tenant(tenant, model).search(VectorQuery(vector, own, most))

        return await _merged(search, allowed, most)

    async def _rank(self, query: Query, offset: int, trace: _Trace) -> Page:
        started = time.perf_counter()
        pipeline, page = self._pipeline, Page((), 0)
        if any(trace.lists.values()):
            ranking = Ranking(pipeline.tuning, pipeline.follows, pipeline.clock())
            page = await self._record.read(lambda unit: ranking.page(unit, query, offset, trace.lists))
        trace.timings["ranking"] = _millis(started)
        trace.reports[Lane.RECENCY] = (
            LaneReport(Ran.RAN, trace.timings["ranking"])
            if pipeline.tuning.weights[Lane.RECENCY] > 0
            else LaneReport(Ran.SKIPPED, reason="its weight is 0")
        )
        return page


async def _merged(
    search: Callable[[Tenant, Filter], Awaitable[Sequence[Match]]], allowed: Allowed, most: int
) -> Sequence[Match]:
    """A lane's best over all orgs that it may read, searched at the same time."""
    if len(allowed) == 1:
        return await search(*next(iter(allowed.items())))
    found: list[Match] = []

    async def one(tenant: Tenant, own: Filter) -> None:
        found.extend(await search(tenant, own))

    with ungrouped():
        async with anyio.create_task_group() as tasks:
            for tenant, own in allowed.items():
                tasks.start_soon(one, tenant, own)
    return sorted(found, key=lambda match: (-match.score, match.id))[:most]


def _within(hits: Sequence[Hit], max_tokens: int | None) -> Sequence[Hit]:
    """As many hits as fit, a token taken as four bytes; the first one always stays, cut if need be."""
    if max_tokens is None or not hits:
        return hits
    left = max_tokens * 4
    kept: list[Hit] = []
    for hit in hits:
        left -= len(hit.snippet.encode(errors="replace")) + _OVERHEAD_BYTES
        if left < 0:
            break
        kept.append(hit)
    if kept:
        return kept
    first = hits[0]
    room = max(80, max_tokens * 4 - _OVERHEAD_BYTES)
    return [Hit(first.memory, first.score, snippet(first.snippet, "", room), first.why)]


def _millis(started: float) -> float:
    return round((time.perf_counter() - started) * 1_000, 3)
