"""The memory tools: add, search, list, get, update, delete, history."""

from dataclasses import dataclass
from typing import Final

from codingbrain.domain.query import Query
from codingbrain.errors import NotFoundError
from codingbrain.identity.scopes import Scope
from codingbrain.memory.service import Change
from codingbrain.runtime import Workspace
from codingbrain.toolkit.tool import READS, Cost, Hints, Tool, Toolset
from codingbrain_tools.arguments import (
    AddMemories,
    DeleteAllMemories,
    DeleteMemories,
    GetMemory,
    ListMemories,
    MemoryHistory,
    SearchMemory,
    UpdateMemory,
)
from codingbrain_tools.views import (
    AnswerView,
    MemoryView,
    ReceiptView,
    RevisionView,
    answer_view,
    memory_view,
    receipt_view,
    revision_view,
)

_VERBATIM: Final = "no extraction model is configured, so the text was stored as it is"


@dataclass(frozen=True, slots=True)
class Receipts:
    """One receipt per item, in order."""

    results: tuple[ReceiptView, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """Memories, newest first."""

    memories: tuple[MemoryView, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Revisions, newest first."""

    revisions: tuple[RevisionView, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """How many memories were deleted; if none, the phrase that confirms it."""

    deleted: int
    confirm: str | None = None


async def _add(workspace: Workspace, said: AddMemories) -> Receipts:
    receipts = await workspace.memories.add(said.drafts(workspace.principal.client), said.idempotency_key)
    if said.wait_seconds:
        receipts = await workspace.memories.settle(receipts, said.wait_seconds)
    return Receipts(tuple(receipt_view(receipt) for receipt in receipts), _VERBATIM if said.infer else None)


async def _search(workspace: Workspace, said: SearchMemory) -> AnswerView:
    query = Query(said.query, said.limit, said.max_tokens, said.criteria(), said.cursor)
    return answer_view(await workspace.search.run(query))


async def _list(workspace: Workspace, said: ListMemories) -> MemoryPage:
    page = await workspace.memories.page(said.criteria(said.states), said.limit, said.cursor)
    return MemoryPage(tuple(memory_view(memory) for memory in page.memories), page.cursor)


async def _get(workspace: Workspace, said: GetMemory) -> MemoryView:
    found = await workspace.memories.get([said.id])
    if not found:
        message = f"there is no memory {said.id}"
        raise NotFoundError(message)
    indexing = await workspace.memories.indexing([said.id])
    return memory_view(found[0], {"lexical": "indexed", "vector": indexing[said.id]})


async def _update(workspace: Workspace, said: UpdateMemory) -> Receipts:
    changes = [Change(id_, said.patch(), said.version, said.preserve_timestamps) for id_ in dict.fromkeys(said.ids)]
    receipts = await workspace.memories.update(changes, said.idempotency_key)
    if said.wait_seconds:
        receipts = await workspace.memories.settle(receipts, said.wait_seconds)
    return Receipts(tuple(receipt_view(receipt) for receipt in receipts))


async def _delete(workspace: Workspace, said: DeleteMemories) -> Receipts:
    receipts = await workspace.memories.delete(list(dict.fromkeys(said.ids)))
    return Receipts(tuple(receipt_view(receipt) for receipt in receipts))


async def _delete_all(workspace: Workspace, said: DeleteAllMemories) -> Deletion:
    if said.confirm is None:
        _, phrase = await workspace.memories.phrase()
        return Deletion(0, phrase)
    return Deletion(await workspace.memories.delete_all(said.confirm))


async def _history(workspace: Workspace, said: MemoryHistory) -> HistoryPage:
    history = await workspace.memories.history(said.id, said.limit, said.cursor)
    return HistoryPage(tuple(revision_view(revision) for revision in history.revisions), history.cursor)


_READ: Final = frozenset({Scope.MEMORIES_READ})
_WRITE: Final = frozenset({Scope.MEMORIES_WRITE})
_DELETE: Final = frozenset({Scope.MEMORIES_DELETE})

ADD_MEMORIES: Final = Tool(
    name="add_memories",
    title="Remember",
    description="Store lasting knowledge: decisions, conventions, facts, preferences. One self-contained fact each.",
    toolset=Toolset.CORE,
    scopes=_WRITE,
    arguments=AddMemories,
    result=Receipts,
    handler=_add,
    hints=Hints(),
)
SEARCH_MEMORY: Final = Tool(
    name="search_memory",
    title="Recall",
    description="Find memories by meaning and by words. Ask first about this project, its people or its past.",
    toolset=Toolset.CORE,
    scopes=_READ,
    arguments=SearchMemory,
    result=AnswerView,
    handler=_search,
    hints=READS,
    deadline=15.0,
)
LIST_MEMORIES: Final = Tool(
    name="list_memories",
    title="List memories",
    description="Memories, newest first.",
    toolset=Toolset.CORE,
    scopes=_READ,
    arguments=ListMemories,
    result=MemoryPage,
    handler=_list,
    hints=READS,
)
GET_MEMORY: Final = Tool(
    name="get_memory",
    title="Get a memory",
    description="One memory whole, in any state.",
    toolset=Toolset.CORE,
    scopes=_READ,
    arguments=GetMemory,
    result=MemoryView,
    handler=_get,
    hints=READS,
    cost=Cost.CHEAP,
)
UPDATE_MEMORY: Final = Tool(
    name="update_memory",
    title="Change memories",
    description="Change what is given, keep the rest; null clears. Correct outdated memories with this.",
    toolset=Toolset.CORE,
    scopes=_WRITE,
    arguments=UpdateMemory,
    result=Receipts,
    handler=_update,
    hints=Hints(idempotent=True),
)
DELETE_MEMORIES: Final = Tool(
    name="delete_memories",
    title="Forget",
    description="Delete memories; restorable for a while with update_memory state=active.",
    toolset=Toolset.CORE,
    scopes=_DELETE,
    arguments=DeleteMemories,
    result=Receipts,
    handler=_delete,
    hints=Hints(destructive=True, idempotent=True),
)
DELETE_ALL_MEMORIES: Final = Tool(
    name="delete_all_memories",
    title="Forget everything",
    description="Deletes nothing at first: returns a phrase to repeat as confirm, after asking the user.",
    toolset=Toolset.CORE,
    scopes=_DELETE,
    arguments=DeleteAllMemories,
    result=Deletion,
    handler=_delete_all,
    hints=Hints(destructive=True),
    cost=Cost.HEAVY,
    deadline=600.0,
)
MEMORY_HISTORY: Final = Tool(
    name="memory_history",
    title="History of a memory",
    description="What a memory said before, newest first.",
    toolset=Toolset.CORE,
    scopes=_READ,
    arguments=MemoryHistory,
    result=HistoryPage,
    handler=_history,
    hints=READS,
)
