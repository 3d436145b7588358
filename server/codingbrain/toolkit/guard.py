"""The one guard: every call on every transport passes it, and nothing else runs a tool."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import anyio
from loguru import logger

from codingbrain.errors import (
    CodingbrainError,
    DeadlineExceededError,
    ForbiddenError,
    InsufficientScopeError,
    InternalError,
    OverloadedError,
    RateLimitedError,
    UnauthenticatedError,
)
from codingbrain.identity.principal import Principal
from codingbrain.limits.standing import Standing, charged, refusal
from codingbrain.runtime import Workspace
from codingbrain.telemetry import context
from codingbrain.telemetry.metrics import Metrics
from codingbrain.toolkit.catalogue import Catalogue, Entry, printable
from codingbrain.toolkit.faults import validated

SLOW_SECONDS: Final = 2.0
"""Longer calls are logged; the objective for the slowest hundredth."""

MAX_CALLS: Final = 256
"""Calls that run at the same time; more are refused before they start."""

MAX_ORG_CALLS: Final = 128
"""Of these, what the users of one org may take: nobody can stop everybody by calls that wait."""

MAX_USER_CALLS: Final = 32
"""Of these, what one user may take, through all clients and credentials."""

_REFUSALS: Final = (UnauthenticatedError, InsufficientScopeError, ForbiddenError, RateLimitedError)
"""What the audit log hears of; whoever was let in is logged by what they changed."""


class Guard:
    """Decides whether a call runs, runs it within its time, and turns every failure into one of `errors`."""

    def __init__(  # noqa: PLR0913 - what a call needs, and two limits that only tests change
        self,
        catalogue: Catalogue,
        workspace: Callable[[Principal], Workspace],
        metrics: Metrics,
        *,
        charge: Callable[[Principal, str, int], Standing],
        denied: Callable[[Principal | None, str, str], None],
        monotonic: Callable[[], float] = time.perf_counter,
        max_calls: int = MAX_CALLS,
    ) -> None:
        self.catalogue = catalogue
        self._workspace = workspace
        self._metrics = metrics
        self._charge = charge
        self._denied = denied
        self._monotonic = monotonic
        self._places = _Places(max_calls)
        self._timers = {entry.tool.name: metrics.tool_duration.labels(entry.tool.name) for entry in catalogue.entries}

    async def call(
        self, name: str, arguments: Mapping[str, object] | None, principal: Principal | None
    ) -> dict[str, Any]:
        """Run a tool as `principal`; the answer is the tool's result as JSON values.

        Raises:
            CodingbrainError: why there is no answer; nothing else is ever raised, except cancellation.
        """
        token = context.tool.set("")
        began, outcome = self._monotonic(), "cancelled"
        try:
            answer = await self._run(name, arguments or {}, _authenticated(principal))
            outcome = "ok"
        except CodingbrainError as error:
            outcome = error.code
            if isinstance(error, _REFUSALS):
                self._denied(principal, context.tool.get() or "auth", outcome)
            raise
        except Exception:  # noqa: BLE001 - the outermost edge of every tool: what it did not foresee stays inside
            outcome = InternalError.code
            logger.exception("{} broke", printable(name))
            raise InternalError("The server failed at this call; its log says why.") from None
        else:
            return answer
        finally:
            self._note(outcome, self._monotonic() - began)
            context.tool.reset(token)

    def _admit(self, name: str, principal: Principal) -> Entry:
        entry = self.catalogue.find(name)
        context.tool.set(name)
        if not charged.get():
            standing = self._charge(principal, name, entry.tool.cost.units)
            if standing.retry_after is not None:
                raise refusal(standing)
        principal.check(entry.tool.scopes, name)
        return entry

    async def _run(self, name: str, arguments: Mapping[str, object], principal: Principal) -> dict[str, Any]:
        entry = self._admit(name, principal)
        tool = entry.tool
        given = validated(tool.arguments, arguments)
        with self._places.taken(principal), anyio.move_on_after(tool.deadline):
            return entry.render(await tool.handler(self._workspace(principal), given))
        unsure = "" if tool.hints.read_only else " It may still take effect."
        raise DeadlineExceededError(f"{tool.name} did not finish within {tool.deadline:g} s.{unsure}")

    def _note(self, outcome: str, seconds: float) -> None:
        name = context.tool.get() or "unknown"
        self._metrics.tool_calls.labels(name, outcome).inc()
        if timer := self._timers.get(name):
            timer.observe(seconds)
        if outcome not in {"ok", "cancelled", InternalError.code}:
            logger.info("{} failed: {}", name, outcome)
        elif seconds > SLOW_SECONDS:
            logger.warning("{} took {:.3f} s", name, seconds)


class _Places:
    """What runs at this moment, in all and for whom; whoever has nothing running is not kept."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._users: dict[UUID, int] = {}
        self._orgs: dict[UUID, int] = {}

    @contextmanager
    def taken(self, principal: Principal) -> Generator[None]:
        """Hold a place.

        Raises:
            OverloadedError: there is no place, or not for this user or org; nothing was taken.
        """
        user, org = principal.user, principal.org
        if (mine := self._users.get(user, 0)) >= MAX_USER_CALLS:
            raise OverloadedError(f"{MAX_USER_CALLS} of your calls are running; try again when one of them has ended.")
        if (ours := self._orgs.get(org, 0)) >= MAX_ORG_CALLS:
            raise OverloadedError(f"{MAX_ORG_CALLS} calls of your org are running; try again in a moment.")
        if not self._free:
            raise OverloadedError("Too many calls are running; try again in a moment.")
        self._free -= 1
        self._users[user] = mine + 1
        self._orgs[org] = ours + 1
        try:
            yield
        finally:
            self._free += 1
            _drop(self._users, user)
            _drop(self._orgs, org)


def _drop(counts: dict[UUID, int], whose: UUID) -> None:
    if left := counts.pop(whose) - 1:
        counts[whose] = left


def _authenticated(principal: Principal | None) -> Principal:
    if principal is None:
        raise UnauthenticatedError("A credential is needed to call a tool.")
    return principal
