"""What tools answer: domain values in the words of the wire (RFC 3339 times, absent fields left out)."""

from dataclasses import dataclass, field
from typing import Any

from codingbrain.clock import Micros, to_iso
from codingbrain.domain.memory import CodeRef, Memory, Revision, Source
from codingbrain.domain.query import Answer, Hit
from codingbrain.domain.receipt import Receipt


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """What a memory is about."""

    type: str
    ref: str


@dataclass(frozen=True, slots=True)
class SourceView:
    """Where a memory came from."""

    app: str | None = None
    tool: str | None = None
    url: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class CodeRefView:
    """A place in code."""

    path: str
    repo: str | None = None
    lines: str | None = None
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class MemoryView:
    """A memory."""

    id: str
    version: int
    text: str
    created_at: str
    updated_at: str
    category: str | None = None
    tags: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    artifact: ArtifactView | None = None
    evidence: tuple[str, ...] = ()
    source: SourceView | None = None
    code_refs: tuple[CodeRefView, ...] = ()
    visibility: str = "user"
    state: str = "active"
    pinned: bool = False
    valid_from: str | None = None
    valid_to: str | None = None
    indexing: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class HitView:
    """One answer; `why` gives each lane's [rank, score]."""

    id: str
    text: str
    score: float
    why: dict[str, tuple[int, float]]
    created_at: str
    updated_at: str
    category: str | None = None
    tags: tuple[str, ...] = ()
    source: SourceView | None = None
    visibility: str = "user"
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class LaneView:
    """What a lane did."""

    outcome: str
    ms: float
    reason: str | None = None
    limits: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerView:
    """Hits, best first, and how they came about."""

    query_id: str
    hits: tuple[HitView, ...]
    degraded: bool
    lanes: dict[str, LaneView]
    timings_ms: dict[str, float]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What became of one item."""

    outcome: str
    durable: bool
    id: str | None = None
    version: int | None = None
    duplicate_of: str | None = None
    lanes: dict[str, str] = field(default_factory=dict[str, str])
    queue_depth: int | None = None
    error: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class RevisionView:
    """One step of a memory's history."""

    event: str
    at: str
    client: str
    memory: MemoryView


def memory_view(memory: Memory, indexing: dict[str, str] | None = None) -> MemoryView:
    """A memory in the words of the wire."""
    return MemoryView(
        id=str(memory.id),
        version=memory.version,
        text=memory.text,
        created_at=to_iso(memory.created_at),
        updated_at=to_iso(memory.updated_at),
        category=memory.category,
        tags=memory.tags,
        entities=memory.entities,
        artifact=ArtifactView(memory.artifact.kind, memory.artifact.ref) if memory.artifact else None,
        evidence=memory.evidence,
        source=_source(memory.source),
        code_refs=tuple(_code_ref(ref) for ref in memory.code),
        visibility=_shared(memory),
        state=memory.state,
        pinned=memory.pinned,
        valid_from=_time(memory.valid_from),
        valid_to=_time(memory.valid_to),
        indexing=indexing or {},
    )


def answer_view(answer: Answer) -> AnswerView:
    """A search's answer in the words of the wire."""
    lanes = {
        lane.value: LaneView(report.outcome, report.millis, report.reason, report.limits)
        for lane, report in sorted(answer.lanes.items())
    }
    return AnswerView(
        query_id=str(answer.query_id),
        hits=tuple(_hit(hit) for hit in answer.hits),
        degraded=answer.degraded,
        lanes=lanes,
        timings_ms=dict(answer.timings),
        cursor=answer.cursor,
    )


def receipt_view(receipt: Receipt) -> ReceiptView:
    """A receipt in the words of the wire."""
    lanes: dict[str, Any] = {"lexical": receipt.lexical, "vector": receipt.vector}
    error = {"code": receipt.error.code, "message": receipt.error.message} if receipt.error else {}
    return ReceiptView(
        outcome=receipt.outcome,
        durable=receipt.durable,
        id=_name(receipt.id),
        version=receipt.version,
        duplicate_of=_name(receipt.duplicate_of),
        lanes={lane: state for lane, state in lanes.items() if state is not None},
        queue_depth=receipt.queue_depth,
        error=error,
    )


def revision_view(revision: Revision) -> RevisionView:
    """A step of a memory's history in the words of the wire."""
    return RevisionView(revision.event, to_iso(revision.at), revision.client, memory_view(revision.memory))


def _hit(hit: Hit) -> HitView:
    memory = hit.memory
    return HitView(
        id=str(memory.id),
        text=hit.snippet,
        score=round(hit.score, 4),
        why={lane.value: (standing.rank, round(standing.score, 4)) for lane, standing in sorted(hit.why.items())},
        created_at=to_iso(memory.created_at),
        updated_at=to_iso(memory.updated_at),
        category=memory.category,
        tags=memory.tags,
        source=_source(memory.source),
        visibility=_shared(memory),
        pinned=memory.pinned,
    )


def _shared(memory: Memory) -> str:
    """In the words in which a caller says it."""
    return f"{memory.visibility}:{memory.target}" if memory.target is not None else memory.visibility


def _source(source: Source) -> SourceView | None:
    return SourceView(source.app, source.tool, source.url, source.commit) if source != Source() else None


def _code_ref(ref: CodeRef) -> CodeRefView:
    lines = None if ref.line_start is None else f"{ref.line_start}-{ref.line_end or ref.line_start}"
    return CodeRefView(ref.path, ref.repo, lines, ref.symbol)


def _time(at: Micros | None) -> str | None:
    return None if at is None else to_iso(at)


def _name(id_: object) -> str | None:
    return None if id_ is None else str(id_)
