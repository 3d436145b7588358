"""Applying a patch to a memory."""

from uuid import UUID, uuid4

import pytest

from codingbrain.domain.memory import Category, Draft, Event, Memory, Patch, State, Visibility
from codingbrain.errors import ForbiddenError, NotFoundError
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.memory.patch import apply_patch, event_of
from codingbrain.record.rows import memory_of_draft, memory_of_snapshot, snapshot_of

ME = Principal(UUID(int=1), UUID(int=2), "me", "test", EVERYTHING)


def _memory(**fields: object) -> Memory:
    return memory_of_draft(Draft("text", tags=("a", "b"), **fields), ME, uuid4(), 100)  # pyright: ignore[reportArgumentType]


def test_what_is_not_given_stays() -> None:
    before = _memory(category=Category.DECISION)
    after = apply_patch(
        before, Patch(text="other", add_tags=("c",), remove_tags=("a",)), ME, 200, preserve_timestamps=False
    )
    assert (after.text, after.tags, after.category) == ("other", ("b", "c"), Category.DECISION)
    assert (after.version, after.updated_at, after.created_at) == (2, 200, 100)
    assert (after.visibility, after.target, after.owner) == (before.visibility, before.target, before.owner)


def test_none_clears_and_timestamps_stay_on_request() -> None:
    before = _memory(category=Category.DECISION)
    after = apply_patch(before, Patch(category=None), ME, 200, preserve_timestamps=True)
    assert (after.category, after.updated_at) == (None, 100)


def test_a_patch_without_effect_makes_no_version() -> None:
    before = _memory(visibility="session:s")
    patch = Patch(text="text", add_tags=("a",), visibility="session:s")
    assert apply_patch(before, patch, ME, 200, preserve_timestamps=False) is before


def test_a_deleted_memory_can_only_be_restored() -> None:
    deleted = apply_patch(_memory(), Patch(state=State.DELETED), ME, 200, preserve_timestamps=True)
    with pytest.raises(NotFoundError):
        apply_patch(deleted, Patch(text="other"), ME, 300, preserve_timestamps=False)
    restored = apply_patch(deleted, Patch(state=State.ACTIVE), ME, 300, preserve_timestamps=False)
    assert event_of(deleted, restored) is Event.RESTORED


def test_sharing_is_a_change_like_any_other() -> None:
    shared = apply_patch(_memory(visibility="session:s"), Patch(visibility="org"), ME, 200, preserve_timestamps=False)
    assert (shared.version, shared.visibility, shared.target) == (2, Visibility.ORG, None)
    with pytest.raises(ForbiddenError):
        apply_patch(shared, Patch(visibility="team:x"), ME, 300, preserve_timestamps=False)


def test_a_snapshot_comes_back_whole() -> None:
    memory = _memory(category=Category.FACT, visibility="session:s")
    assert memory_of_snapshot(snapshot_of(memory), UUID(int=9)) == memory


def test_a_snapshot_of_an_older_release_belongs_to_the_owner_of_its_row() -> None:
    memory = _memory()
    old = {name: value for name, value in snapshot_of(memory).items() if name not in {"owner", "target"}}
    assert memory_of_snapshot(old, ME.user) == memory
