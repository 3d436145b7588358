"""Applying a patch to a memory: pure rules."""

from dataclasses import replace
from typing import Any

from codingbrain.clock import Micros
from codingbrain.domain.memory import MAX_TAGS, UNSET, Event, Memory, Patch, State
from codingbrain.errors import InvalidArgumentError, LimitExceededError, NotFoundError
from codingbrain.identity.principal import Principal
from codingbrain.identity.visibility import reshared

_PLAIN = ("text", "category", "artifact", "entities", "evidence", "code", "valid_from", "valid_to", "state", "pinned")


def apply_patch(memory: Memory, patch: Patch, by: Principal, at: Micros, *, preserve_timestamps: bool) -> Memory:
    """The memory's next version, or the memory itself if nothing would change.

    Raises:
        NotFoundError: the memory is deleted and the patch does not restore it.
        ForbiddenError, AmbiguousTargetError: it cannot be shared as the patch says.
        InvalidArgumentError, LimitExceededError: the memory would break a rule that holds for new ones.
    """
    if memory.state is State.DELETED and patch.state in {UNSET, State.DELETED}:
        message = f"memory {memory.id} is deleted; set state to active to restore it"
        raise NotFoundError(message)
    tags = (set(memory.tags) | set(patch.add_tags)) - set(patch.remove_tags)
    changes: dict[str, Any] = {name: value for name in _PLAIN if (value := getattr(patch, name)) is not UNSET}
    if patch.visibility is not UNSET:
        changes["visibility"], changes["target"] = reshared(by, memory, patch.visibility)
    changed = replace(memory, tags=tuple(sorted(tags)), **changes)
    if changed == memory:
        return memory
    _check(changed)
    updated_at = memory.updated_at if preserve_timestamps else at
    return replace(changed, version=memory.version + 1, updated_at=updated_at)


def _check(memory: Memory) -> None:
    if len(memory.tags) > MAX_TAGS:
        message = f"tags: a memory may have at most {MAX_TAGS}, this would make it {len(memory.tags)}"
        raise LimitExceededError(message)
    if memory.valid_from is not None and memory.valid_to is not None and memory.valid_to <= memory.valid_from:
        message = "valid_to: must be after valid_from"
        raise InvalidArgumentError(message)


def event_of(before: Memory, after: Memory) -> Event:
    """What to call the step from one version to the next."""
    if after.state is State.DELETED:
        return Event.DELETED
    return Event.RESTORED if before.state is State.DELETED else Event.UPDATED
