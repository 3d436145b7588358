"""Between rows and domain values."""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlmodel import SQLModel

from codingbrain.clock import Micros
from codingbrain.domain.memory import (
    Artifact,
    ArtifactKind,
    Category,
    CodeRef,
    Draft,
    Memory,
    Source,
    State,
    Visibility,
)
from codingbrain.identity.principal import Principal
from codingbrain.identity.visibility import audience_of, target_of
from codingbrain.record.tables import CodeRow, EntityRow, TagRow

_SNAPSHOT = TypeAdapter(Memory)


def text_digest(text: str) -> bytes:
    """What makes two texts the same: SHA-256 of the NFC form without outer white space."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).strip().encode()).digest()


def memory_of_draft(draft: Draft, author: Principal, new_id: UUID, at: Micros) -> Memory:
    """The first version of a memory.

    Raises:
        InvalidArgumentError, ForbiddenError, AmbiguousTargetError: it cannot be shared as the draft says.
    """
    created = at if draft.created_at is None else draft.created_at
    visibility, target = target_of(draft.visibility, author)
    return Memory(
        id=new_id,
        version=1,
        text=draft.text,
        category=draft.category,
        visibility=visibility,
        artifact=draft.artifact,
        entities=draft.entities,
        tags=tuple(sorted(set(draft.tags))),
        evidence=draft.evidence,
        source=draft.source,
        code=draft.code,
        created_at=created,
        updated_at=created,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        state=State.ACTIVE,
        pinned=draft.pinned,
        owner=author.user,
        target=target,
    )


def columns_of(memory: Memory) -> dict[str, Any]:
    """The columns of a memory's own row that follow from its content."""
    artifact = memory.artifact
    return {
        "version": memory.version,
        "audience": audience_of(memory),
        "visibility": memory.visibility.value,
        "target": memory.target,
        "text": memory.text,
        "digest": text_digest(memory.text),
        "category": memory.category.value if memory.category else None,
        "artifact_kind": artifact.kind.value if artifact else None,
        "artifact_ref": artifact.ref if artifact else None,
        "evidence": list(memory.evidence),
        "source_app": memory.source.app,
        "source_tool": memory.source.tool,
        "source_url": memory.source.url,
        "source_commit": memory.source.commit,
        "created_at": memory.created_at,
        "updated_at": memory.updated_at,
        "valid_from": memory.valid_from,
        "valid_to": memory.valid_to,
        "state": memory.state.value,
        "pinned": memory.pinned,
    }


def children_of(memory: Memory) -> dict[type[SQLModel], list[dict[str, Any]]]:
    """The columns of a memory's child rows, per table, but for the keys of the memory."""
    return {
        TagRow: [{"tag": tag} for tag in memory.tags],
        EntityRow: [{"ordinal": ordinal, "name": name} for ordinal, name in enumerate(memory.entities)],
        CodeRow: [{"ordinal": ordinal, **asdict(ref)} for ordinal, ref in enumerate(memory.code)],
    }


def memory_of(row: Any, tags: Iterable[str], entities: Iterable[str], code: Iterable[Any]) -> Memory:  # noqa: ANN401 - rows, as objects or as columns
    """A memory from its rows; tags come sorted."""
    return Memory(
        id=row.id,
        version=row.version,
        text=row.text,
        category=Category(row.category) if row.category else None,
        visibility=Visibility(row.visibility),
        artifact=Artifact(ArtifactKind(row.artifact_kind), row.artifact_ref or "") if row.artifact_kind else None,
        entities=tuple(entities),
        tags=tuple(sorted(tags)),
        evidence=tuple(row.evidence),
        source=Source(row.source_app, row.source_tool, row.source_url, row.source_commit),
        code=tuple(CodeRef(ref.path, ref.repo, ref.line_start, ref.line_end, ref.symbol) for ref in code),
        created_at=row.created_at,
        updated_at=row.updated_at,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        state=State(row.state),
        pinned=row.pinned,
        owner=row.owner,
        target=row.target,
    )


def snapshot_of(memory: Memory) -> dict[str, Any]:
    """A memory as JSON, for its history."""
    return _SNAPSHOT.dump_python(memory, mode="json")


def memory_of_snapshot(snapshot: dict[str, Any], owner: UUID) -> Memory:
    """The inverse of `snapshot_of`; what an older release did not write takes its default, or is the row's owner."""
    return _SNAPSHOT.validate_python({"owner": owner, **snapshot})
