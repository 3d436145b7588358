"""Applying a patch to a memory."""

from uuid import uuid4

import pytest

from codingbrain.domain.memory import Category, Draft, Event, Memory, Patch, State
from codingbrain.errors import NotFoundError
from codingbrain.memory.patch import apply_patch, event_of
from codingbrain.record.rows import memory_of_draft, memory_of_snapshot, snapshot_of


def _memory(**fields: object) -> Memory:
    return memory_of_draft(Draft("text", tags=("a", "b"), **fields), uuid4(), 100)  # pyright: ignore[reportArgumentType]


def test_what_is_not_given_stays() -> None:
    before = _memory(category=Category.DECISION)
    after = apply_patch(
        before, Patch(text="other", add_tags=("c",), remove_tags=("a",)), 200, preserve_timestamps=False
    )
    assert (after.text, after.tags, after.category) == ("other", ("b", "c"), Category.DECISION)
    assert (after.version, after.updated_at, after.created_at) == (2, 200, 100)


def test_none_clears_and_timestamps_stay_on_request() -> None:
    before = _memory(category=Category.DECISION)
    after = apply_patch(before, Patch(category=None), 200, preserve_timestamps=True)
    assert (after.category, after.updated_at) == (None, 100)


def test_a_patch_without_effect_makes_no_version() -> None:
    before = _memory()
    assert apply_patch(before, Patch(text="text", add_tags=("a",)), 200, preserve_timestamps=False) is before


def test_a_deleted_memory_can_only_be_restored() -> None:
    deleted = apply_patch(_memory(), Patch(state=State.DELETED), 200, preserve_timestamps=True)
    with pytest.raises(NotFoundError):
        apply_patch(deleted, Patch(text="other"), 300, preserve_timestamps=False)
    restored = apply_patch(deleted, Patch(state=State.ACTIVE), 300, preserve_timestamps=False)
    assert event_of(deleted, restored) is Event.RESTORED


def test_a_snapshot_comes_back_whole() -> None:
    memory = _memory(category=Category.FACT)
    assert memory_of_snapshot(snapshot_of(memory)) == memory
