"""What a principal can do with memories: store, read, change, forget, and look back."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from uuid import UUID

import anyio
from pydantic import TypeAdapter

from codingbrain.clock import Clock, Micros
from codingbrain.domain.memory import Draft, Memory, Patch, Revision, State
from codingbrain.domain.query import Criteria, Lane
from codingbrain.domain.receipt import Fault, Indexing, Outcome, Receipt
from codingbrain.errors import (
    CodingbrainError,
    InvalidArgumentError,
    NotFoundError,
    StorageError,
    UnavailableError,
    VersionConflictError,
)
from codingbrain.identity.principal import Principal
from codingbrain.identity.visibility import check_edit
from codingbrain.ids import Mint
from codingbrain.memory.patch import apply_patch, event_of
from codingbrain.record import idempotency
from codingbrain.record.memories import Memories
from codingbrain.record.outbox import pending
from codingbrain.record.rows import memory_of_draft
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import TenantRecord, Unit
from codingbrain.retrieval.cursor import Seal
from codingbrain.retrieval.indexes import Indexes

T = TypeVar("T")

_RECEIPTS: Final = TypeAdapter(list[Receipt])
_PAGE_BYTES: Final = 256 * 1024
"""Text in one page of a list; the cursor leads to the rest."""

_BATCH: Final = 200
"""Memories that one transaction of a large deletion takes."""

_LIVE: Final = (State.ACTIVE, State.PAUSED, State.ARCHIVED)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the memory service of every principal shares."""

    record: SqliteRecord
    indexes: Indexes
    seal: Seal
    clock: Clock
    mint: Mint
    denied: Callable[[Principal, str, str, str | None], None]
    """Takes what failed into the audit log: who, what, the error's code, and the object."""


@dataclass(frozen=True, slots=True)
class Change:
    """One item of an update: which memory, at which version if the caller insists, and how."""

    id: UUID
    patch: Patch
    version: int | None = None
    preserve_timestamps: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """One item of a write, and what the audit log calls it if it fails."""

    action: str
    about: UUID | None
    run: Callable[[Unit, Micros], Receipt]


@dataclass(frozen=True, slots=True)
class Page:
    """Memories in order, and where the next page begins."""

    memories: tuple[Memory, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class History:
    """Revisions, newest first, and where the next page begins."""

    revisions: tuple[Revision, ...]
    cursor: str | None


class MemoryService:
    """The memories of one principal."""

    def __init__(self, shelf: Shelf, principal: Principal) -> None:
        self._shelf = shelf
        self._principal = principal
        self._record = TenantRecord(shelf.record, principal)

    async def add(self, drafts: Sequence[Draft], key: str | None = None) -> list[Receipt]:
        """Store memories, each in its own right: one that fails does not touch the others.

        With an idempotency key, a repeat of the same call within a day gets the first call's receipts.

        Raises:
            IdempotencyConflictError, OverloadedError, StorageError: nothing was stored.
        """
        steps = [_Step("memory.created", None, self._adding(draft)) for draft in drafts]
        return await self._write(repr(("add", drafts)), key, steps)

    async def update(self, changes: Sequence[Change], key: str | None = None) -> list[Receipt]:
        """Change memories, each in its own right."""
        steps = [_Step("memory.updated", change.id, self._changing(change)) for change in changes]
        return await self._write(repr(("update", changes)), key, steps)

    async def delete(self, ids: Sequence[UUID], key: str | None = None) -> list[Receipt]:
        """Delete memories; they can be restored until they are purged."""
        steps = [_Step("memory.deleted", memory_id, self._deleting(memory_id)) for memory_id in ids]
        return await self._write(repr(("delete", ids)), key, steps)

    async def phrase(self) -> tuple[int, str]:
        """How many memories only the caller sees, and the words that confirm deleting them all."""
        count = len(await self._record.read(lambda unit: Memories(unit).ids(_LIVE)))
        return count, _phrase(count)

    async def delete_all(self, confirm: str) -> int:
        """Delete every memory that only the caller sees now, in batches, so that other writes get their turn; how many.

        Raises:
            InvalidArgumentError: `confirm` is not the phrase of this moment; nothing was deleted.
        """
        ids = await self._record.read(lambda unit: Memories(unit).ids(_LIVE))
        if confirm != _phrase(len(ids)):
            message = f'confirm: to go on, repeat exactly "{_phrase(len(ids))}"'
            raise InvalidArgumentError(message)
        deleted = 0
        for start in range(0, len(ids), _BATCH):
            receipts = await self.delete(ids[start : start + _BATCH])
            deleted += sum(receipt.outcome is Outcome.DELETED for receipt in receipts)
        return deleted

    async def get(self, ids: Sequence[UUID]) -> list[Memory]:
        """Those of `ids` that exist for the caller, in the order asked."""
        found = await self._record.read(lambda unit: Memories(unit).many(ids))
        return [found[memory_id] for memory_id in ids if memory_id in found]

    async def page(self, criteria: Criteria, limit: int, cursor: str | None) -> Page:
        """Memories that meet the criteria, newest first.

        Raises:
            InvalidCursorError: the cursor is not for this caller and these criteria.
        """
        asked = ("list", criteria.key)
        opened = self._shelf.seal.open(self._principal, asked, cursor) if cursor else None
        before = (int(opened[0]), UUID(opened[1])) if opened else None
        found = await self._record.read(lambda unit: Memories(unit).page(criteria, before, limit + 1))
        shown = _within(found[:limit])
        more = len(found) > len(shown)
        last = [shown[-1].created_at, str(shown[-1].id)] if more else None
        return Page(tuple(shown), self._shelf.seal.seal(self._principal, asked, last) if last else None)

    async def history(self, memory_id: UUID, limit: int, cursor: str | None) -> History:
        """What became of a memory, newest first.

        Raises:
            NotFoundError: there is no such memory for the caller.
            InvalidCursorError: the cursor is not for this caller and memory.
        """
        asked = ("history", str(memory_id))
        before = int(self._shelf.seal.open(self._principal, asked, cursor)) if cursor else None
        found = await self._record.read(lambda unit: Memories(unit).revisions(memory_id, before, limit + 1))
        if not found:
            raise _unknown(memory_id)
        shown = found[:limit]
        more = self._shelf.seal.seal(self._principal, asked, shown[-1].memory.version) if len(found) > limit else None
        return History(tuple(shown), more)

    async def indexing(self, ids: Sequence[UUID]) -> dict[UUID, Indexing]:
        """Whether the vector lane can find each of `ids`."""
        waiting = await self._record.read(lambda unit: pending(unit, Lane.VECTOR, ids))
        words = {True: Indexing.FAILED, False: Indexing.QUEUED}
        return {id_: words[waiting[id_]] if id_ in waiting else Indexing.INDEXED for id_ in ids}

    async def settle(self, receipts: Sequence[Receipt], seconds: float) -> list[Receipt]:
        """The receipts again once the vector lane has taken the writes up, or when the time is over."""
        ids = [receipt.id for receipt in receipts if receipt.id is not None]
        follows = self._shelf.indexes.follows
        state: dict[UUID, Indexing] = {}
        with anyio.move_on_after(seconds):
            while follows is not None:
                progress = follows.progress
                state = await self.indexing(ids)
                if Indexing.QUEUED not in state.values():
                    break
                await progress.wait()
        return [_with_vector(receipt, state) for receipt in receipts]

    async def _write(self, request: str, key: str | None, steps: Sequence[_Step]) -> list[Receipt]:
        """Run each item in a savepoint of one transaction, and remember the answer under the key."""
        digest = hashlib.sha256(request.encode(errors="replace")).digest()
        at = self._shelf.clock()

        def work(unit: Unit) -> tuple[list[Receipt], bool]:
            if key is not None and (answer := idempotency.recall(unit, key, digest)) is not None:
                return _RECEIPTS.validate_python(answer), False
            receipts = [self._attempt(unit, step.run, at) for step in steps]
            if key is not None:
                idempotency.remember(unit, key, digest, _RECEIPTS.dump_python(receipts, mode="json"), at)
            return receipts, True

        self._admit()
        receipts, fresh = await self._record.write(work)
        if fresh:
            self._report(steps, receipts)
            self._wake(sum(receipt.vector is Indexing.QUEUED for receipt in receipts))
        return [self._with_depth(receipt) for receipt in receipts]

    @staticmethod
    def _attempt(unit: Unit, item: Callable[[Unit, Micros], Receipt], at: Micros) -> Receipt:
        try:
            with unit.session.begin_nested():
                return item(unit, at)
        except (StorageError, UnavailableError):
            raise
        except CodingbrainError as error:
            return Receipt(Outcome.FAILED, error=Fault(error.code, error.message))

    def _adding(self, draft: Draft) -> Callable[[Unit, Micros], Receipt]:
        new_id = self._shelf.mint()

        def add(unit: Unit, at: Micros) -> Receipt:
            memories = Memories(unit)
            memory = memory_of_draft(draft, unit.principal, new_id, at)
            twin = memories.twin(memory)
            if twin is not None and _adds_nothing(memory, twin):
                return Receipt(
                    Outcome.DUPLICATE,
                    twin.id,
                    twin.version,
                    durable=True,
                    duplicate_of=twin.id,
                    lexical=Indexing.INDEXED,
                )
            memories.insert(memory, at)
            return self._stored(unit, Outcome.CREATED, memory, at, twin.id if twin else None)

        return add

    def _changing(self, change: Change) -> Callable[[Unit, Micros], Receipt]:
        def update(unit: Unit, at: Micros) -> Receipt:
            before = _editable(unit, change.id)
            if change.version is not None and change.version != before.version:
                message = f"memory {change.id} is at version {before.version}, not {change.version}; read it again"
                raise VersionConflictError(message, version=before.version)
            preserve = change.preserve_timestamps
            after = apply_patch(before, change.patch, unit.principal, at, preserve_timestamps=preserve)
            if after is before:
                return Receipt(Outcome.UNCHANGED, before.id, before.version, durable=True, lexical=Indexing.INDEXED)
            event = event_of(before, after)
            Memories(unit).replace(after, event, at)
            return self._stored(unit, Outcome(event.value), after, at)

        return update

    def _deleting(self, memory_id: UUID) -> Callable[[Unit, Micros], Receipt]:
        def delete(unit: Unit, at: Micros) -> Receipt:
            before = _editable(unit, memory_id)
            if before.state is State.DELETED:
                raise _unknown(memory_id)
            after = apply_patch(before, Patch(state=State.DELETED), unit.principal, at, preserve_timestamps=True)
            Memories(unit).replace(after, event_of(before, after), at)
            return self._stored(unit, Outcome.DELETED, after, at)

        return delete

    def _stored(
        self, unit: Unit, outcome: Outcome, memory: Memory, at: Micros, duplicate_of: UUID | None = None
    ) -> Receipt:
        self._shelf.indexes.changed(unit, memory, at)
        vector = Indexing.QUEUED if self._shelf.indexes.follows is not None else None
        return Receipt(
            outcome,
            memory.id,
            memory.version,
            durable=True,
            duplicate_of=duplicate_of,
            lexical=Indexing.INDEXED,
            vector=vector,
        )

    def _report(self, steps: Sequence[_Step], receipts: Sequence[Receipt]) -> None:
        """What failed was rolled back, and its line in the audit log with it: it gets one afterwards."""
        for step, receipt in zip(steps, receipts, strict=True):
            if receipt.error is not None:
                about = None if step.about is None else f"memory:{step.about}"
                self._shelf.denied(self._principal, step.action, receipt.error.code, about)

    def _admit(self) -> None:
        if self._shelf.indexes.follows is not None:
            self._shelf.indexes.follows.admit()

    def _wake(self, entries: int) -> None:
        if self._shelf.indexes.follows is not None:
            self._shelf.indexes.follows.add(entries)

    def _with_depth(self, receipt: Receipt) -> Receipt:
        follows = self._shelf.indexes.follows
        if follows is None or receipt.vector is not Indexing.QUEUED:
            return receipt
        return replace(receipt, queue_depth=follows.depth)


def _within(memories: Sequence[Memory]) -> Sequence[Memory]:
    """As many as fit into a page's bytes; one at least."""
    left, count = _PAGE_BYTES, 0
    for memory in memories:
        left -= len(memory.text.encode(errors="replace"))
        if left < 0 and count:
            break
        count += 1
    return memories[:count]


def _editable(unit: Unit, memory_id: UUID) -> Memory:
    memory = Memories(unit).get(memory_id)
    if memory is None:
        raise _unknown(memory_id)
    check_edit(unit.principal, memory)
    return memory


def _unknown(memory_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no memory {memory_id}")


def _phrase(count: int) -> str:
    return f"delete all {count} memories"


def _adds_nothing(memory: Memory, twin: Memory) -> bool:
    """Whether a memory with the twin's text says nothing that the twin does not."""
    return (
        memory.category in {None, twin.category}
        and memory.artifact in {None, twin.artifact}
        and set(memory.tags) <= set(twin.tags)
        and set(memory.entities) <= set(twin.entities)
        and set(memory.evidence) <= set(twin.evidence)
        and set(memory.code) <= set(twin.code)
        and (memory.valid_from, memory.valid_to) == (twin.valid_from, twin.valid_to)
    )


def _with_vector(receipt: Receipt, state: Mapping[UUID, Indexing]) -> Receipt:
    vector = state.get(receipt.id) if receipt.id else None
    if receipt.vector is None or vector is None:
        return receipt
    return replace(receipt, vector=vector, queue_depth=receipt.queue_depth if vector is Indexing.QUEUED else None)
