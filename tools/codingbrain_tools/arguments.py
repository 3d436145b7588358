"""What callers may say to the memory tools, checked where the bytes come in."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from codingbrain.clock import Micros, from_datetime
from codingbrain.domain.memory import (
    MAX_TAGS,
    MAX_TEXT,
    UNSET,
    Artifact,
    ArtifactKind,
    Category,
    CodeRef,
    Draft,
    Patch,
    Source,
    State,
)
from codingbrain.domain.query import MAX_LIMIT, MAX_QUERY, Criteria
from codingbrain.identity.visibility import MAX_SESSION

MOST_ITEMS: Final = 100


def _representable(at: datetime) -> datetime:
    from_datetime(at)
    return at


Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"\S")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Long = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Tags = Annotated[list[Name], Field(max_length=MAX_TAGS)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Ids = Annotated[list[UUID], Field(min_length=1, max_length=MOST_ITEMS)]
Wait = Annotated[float, Field(ge=0, le=30)]
When = Annotated[datetime, AfterValidator(_representable)]
Cursor = Annotated[str, StringConstraints(max_length=1_024)]
Wish = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Session = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SESSION, pattern=r"\S")]


class Arguments(BaseModel):
    """The base of all arguments: nothing unknown is swallowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeRefIn(Arguments):
    """A place in code; `lines` is "12" or "12-40"."""

    path: Long
    repo: Name | None = None
    lines: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,8}(-[1-9]\d{0,8})?$")] | None = None
    symbol: Name | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        ref = self.ref()
        if ref.line_start is not None and (ref.line_end or 0) < ref.line_start:
            message = "lines must not end before they begin"
            raise ValueError(message)
        return self

    def ref(self) -> CodeRef:
        """The place as a value."""
        first, _, last = (self.lines or "").partition("-")
        start = int(first) if first else None
        return CodeRef(self.path, self.repo, start, int(last) if last else start, self.symbol)


class SourceIn(Arguments):
    """Where a memory comes from."""

    app: Name | None = None
    tool: Name | None = None
    url: Long | None = None
    commit: Name | None = None


class Fields(Arguments):
    """What a memory can say besides its text."""

    category: Category | None = None
    entities: Annotated[list[Name], Field(max_length=50)] | None = None
    artifact_type: ArtifactKind | None = None
    artifact_ref: Name | None = None
    evidence: Annotated[list[Long], Field(max_length=20)] | None = None
    code_refs: Annotated[list[CodeRefIn], Field(max_length=20)] | None = None
    valid_from: When | None = None
    valid_to: When | None = None
    pinned: bool | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.artifact_type is None) != (self.artifact_ref is None):
            message = "artifact_type and artifact_ref belong together"
            raise ValueError(message)
        if self.valid_from and self.valid_to and from_datetime(self.valid_to) <= from_datetime(self.valid_from):
            message = "valid_to must be after valid_from"
            raise ValueError(message)
        return self

    def artifact(self) -> Artifact | None:
        """The thing that the memory is about."""
        return Artifact(self.artifact_type, self.artifact_ref) if self.artifact_type and self.artifact_ref else None

    def code(self) -> tuple[CodeRef, ...]:
        """The places in code."""
        return tuple(ref.ref() for ref in self.code_refs or ())


class MemoryIn(Fields):
    """One memory to store."""

    text: Text
    tags: Tags | None = None
    visibility: Wish | None = None
    source: SourceIn | None = None
    created_at: When | None = None

    def draft(self, client: str) -> Draft:
        """The memory as the service wants it; without a source it is the client's."""
        source = self.source or SourceIn()
        return Draft(
            text=self.text,
            category=self.category,
            visibility=self.visibility or "user",
            artifact=self.artifact(),
            entities=unique(self.entities),
            tags=unique(self.tags),
            evidence=unique(self.evidence),
            source=Source(source.app or client, source.tool, source.url, source.commit),
            code=self.code(),
            valid_from=micros(self.valid_from),
            valid_to=micros(self.valid_to),
            created_at=micros(self.created_at),
            pinned=bool(self.pinned),
        )


class AddMemories(Arguments):
    """Arguments of `add_memories`."""

    text: Text | None = Field(None, description="One memory")
    category: Category | None = None
    tags: Tags | None = None
    visibility: Wish | None = Field(None, description="user (default), org, team:NAME, project:NAME or session:ID")
    memories: Annotated[list[MemoryIn], Field(min_length=1, max_length=MOST_ITEMS)] | None = Field(
        None, description="Instead of text: several, or with more fields"
    )
    infer: bool = Field(default=False, description="Extract facts with a model, if one is configured")
    idempotency_key: Key | None = None
    wait_seconds: Wait = Field(0, description="Wait until searchable by meaning")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.text is None) == (self.memories is None):
            message = "give either text or memories"
            raise ValueError(message)
        if self.memories is not None and (self.category or self.tags or self.visibility):
            message = "category, tags and visibility go with text; inside memories give them per item"
            raise ValueError(message)
        return self

    def drafts(self, client: str) -> list[Draft]:
        """The memories to store."""
        items = self.memories or [
            MemoryIn(text=self.text or "", category=self.category, tags=self.tags, visibility=self.visibility)
        ]
        return [item.draft(client) for item in items]


class Filters(Arguments):
    """Filters that search and list share."""

    categories: Annotated[list[Category], Field(max_length=12)] | None = None
    tags: Tags | None = None
    created_from: When | None = None
    created_to: When | None = None
    session: Session | None = None

    def criteria(self, states: list[State] | None = None) -> Criteria:
        """The filters as a value; only active memories unless said otherwise."""
        return Criteria(
            categories=frozenset(self.categories or ()),
            tags=frozenset(self.tags or ()),
            states=frozenset(states or {State.ACTIVE}),
            created_from=micros(self.created_from),
            created_to=micros(self.created_to),
            session=self.session,
        )


class SearchMemory(Filters):
    """Arguments of `search_memory`."""

    tags: Tags | None = Field(None, description="Any of these")
    session: Session | None = Field(None, description="Also its notes")
    query: Annotated[str, StringConstraints(min_length=1, max_length=MAX_QUERY, pattern=r"\S")]
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    max_tokens: Annotated[int, Field(ge=50, le=100_000)] | None = Field(None, description="Token budget of the hits")
    cursor: Cursor | None = None


class ListMemories(Filters):
    """Arguments of `list_memories`."""

    states: Annotated[list[State], Field(max_length=4)] | None = Field(None, description="Default: active")
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    cursor: Cursor | None = None


class GetMemory(Arguments):
    """Arguments of `get_memory`."""

    id: UUID


class UpdateMemory(Fields):
    """Arguments of `update_memory`; a field given as null is cleared."""

    ids: Ids = Field(validation_alias=AliasChoices("ids", "id", "memory_id"))
    version: Annotated[int, Field(ge=1)] | None = Field(None, description="Refuse if changed since")
    text: Text | None = None
    add_tags: Tags | None = None
    remove_tags: Tags | None = None
    visibility: Wish | None = None
    state: Literal[State.ACTIVE, State.PAUSED, State.ARCHIVED] | None = Field(
        None, description="active restores a deleted one"
    )
    preserve_timestamps: bool = False
    idempotency_key: Key | None = None
    wait_seconds: Wait = 0

    @model_validator(mode="before")
    @classmethod
    def _one_id_is_a_list(cls, values: object) -> object:
        if isinstance(values, dict):
            return {
                key: [value] if key in {"id", "memory_id"} and isinstance(value, str) else value
                for key, value in values.items()  # pyright: ignore[reportUnknownVariableType]
            }
        return values

    @model_validator(mode="after")
    def _applies(self) -> Self:
        for field in ("text", "pinned", "state", "visibility"):
            if field in self.model_fields_set and getattr(self, field) is None:
                message = f"{field} cannot be cleared"
                raise ValueError(message)
        if len(self.ids) > 1 and (self.version is not None or self.text is not None):
            message = "version and text go with a single id"
            raise ValueError(message)
        return self

    def patch(self) -> Patch:
        """The change as a value: what was not given stays."""
        given = self.model_fields_set
        return Patch(
            text=self.text if self.text is not None else UNSET,
            category=self.category if "category" in given else UNSET,
            artifact=self.artifact() if "artifact_type" in given else UNSET,
            entities=unique(self.entities) if "entities" in given else UNSET,
            add_tags=unique(self.add_tags),
            remove_tags=unique(self.remove_tags),
            evidence=unique(self.evidence) if "evidence" in given else UNSET,
            code=self.code() if "code_refs" in given else UNSET,
            valid_from=micros(self.valid_from) if "valid_from" in given else UNSET,
            valid_to=micros(self.valid_to) if "valid_to" in given else UNSET,
            state=self.state if self.state is not None else UNSET,
            pinned=self.pinned if self.pinned is not None else UNSET,
            visibility=self.visibility if self.visibility is not None else UNSET,
        )


class DeleteMemories(Arguments):
    """Arguments of `delete_memories`."""

    ids: Ids = Field(validation_alias=AliasChoices("ids", "memory_ids"))


class DeleteAllMemories(Arguments):
    """Arguments of `delete_all_memories`."""

    confirm: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="The phrase that a call without it returns"
    )


class MemoryHistory(Arguments):
    """Arguments of `memory_history`."""

    id: UUID
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    cursor: Cursor | None = None


class Nothing(Arguments):
    """No arguments."""


def micros(at: datetime | None) -> Micros | None:
    """A time as the record has it."""
    return None if at is None else from_datetime(at)


def unique(values: list[str] | None) -> tuple[str, ...]:
    """The values once each, in the order given, without outer white space."""
    return tuple(dict.fromkeys(value.strip() for value in values or ()))
