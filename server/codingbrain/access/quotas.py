"""Rate limits changed at run time: kept in the record, and in force from the next call on."""

from collections.abc import Container, Iterable, Mapping
from typing import Final
from uuid import UUID

import anyio
from loguru import logger

from codingbrain.clock import Clock
from codingbrain.domain.audit import Entry
from codingbrain.errors import CodingbrainError, InvalidArgumentError, NotFoundError
from codingbrain.identity.operator import Operator
from codingbrain.identity.principal import Principal
from codingbrain.limits.limiter import Limiter, Use
from codingbrain.limits.rates import Pair, Rates, pair
from codingbrain.limits.subject import FLOORED, Kind, is_floored, of_user
from codingbrain.record import audit, users
from codingbrain.record import limits as rows
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import OperatorRecord, TenantRecord, Unit

OPERATOR: Final = Operator("read the rate limits of all orgs")


class Quotas:
    """The limits of one principal's org; `items` are the subjects that name the tools and routes there are."""

    def __init__(self, record: SqliteRecord, limiter: Limiter, clock: Clock, principal: Principal) -> None:
        self._record = TenantRecord(record, principal)
        self._limiter = limiter
        self._clock = clock
        self._principal = principal

    @property
    def rates(self) -> Rates:
        """What the operator configured."""
        return self._limiter.rates

    def changed(self) -> Mapping[str, Pair]:
        """What was set here, by subject."""
        return self._limiter.changed(self._principal.org)

    def uses(self) -> Iterable[Use]:
        """What is used at present."""
        return self._limiter.uses(self._principal.org)

    async def put(self, wish: str, burst: str, sustained: str, items: Container[str]) -> tuple[str, Pair]:
        """Set the limit of a subject; the subject in its one form, and what applies now.

        Raises:
            NotFoundError: there is no such user, tool or route.
            InvalidArgumentError: no rates, more than the operator allows the org, or the routes that change limits.
        """
        subject, wanted = _subject(wish, items), _pair(burst, sustained)
        if subject == Kind.ORG:
            _check_ceiling(wanted, self._limiter.rates.org)

        def work(unit: Unit) -> None:
            known = _audited(unit, subject)
            rows.put(unit, subject, wanted.burst.text, wanted.sustained.text, self._clock())
            self._audit(unit, "limit.set", known)

        # Once it is kept it must also apply, whether or not somebody still waits for the answer.
        with anyio.CancelScope(shield=True):
            async with self._limiter.changing:
                await self._record.write(work)
                self._limiter.apply(self._principal.org, subject, wanted)
        return subject, wanted

    async def reset(self, wish: str, items: Container[str]) -> tuple[str, Pair]:
        """Apply the configured rates again; the same answer.

        Raises:
            NotFoundError: there is no such subject, or nothing was set for it.
            InvalidArgumentError: the routes that change limits.
        """
        subject = _subject(wish, items)

        def work(unit: Unit) -> None:
            if not rows.drop(unit, subject):
                raise NotFoundError("nothing was set for this subject")
            self._audit(unit, "limit.reset", _audited(unit, subject))

        with anyio.CancelScope(shield=True):
            async with self._limiter.changing:
                await self._record.write(work)
                self._limiter.reset(self._principal.org, subject)
        return subject, self._limiter.pair(self._principal.org, subject)

    def _audit(self, unit: Unit, action: str, subject: str) -> None:
        who = self._principal
        entry = Entry(
            self._clock(),
            who.org,
            action,
            object=f"limit:{subject}",
            actor=who.pseudonym,
            client=who.client,
            request_id=unit.request_id,
        )
        audit.add(unit.session, entry)


async def restore(record: SqliteRecord, limiter: Limiter) -> None:
    """Apply what was set before this start; what cannot be read leaves the configured rates, and is logged."""
    try:
        found = await OperatorRecord(record, OPERATOR).read(rows.every)
    except CodingbrainError as error:
        logger.error("the rate limits that were set could not be read, the configured ones apply: {}", error.message)
        return
    for row in found:
        try:
            wanted = pair(row.burst, row.sustained)
            if row.subject == Kind.ORG:
                _check_ceiling(wanted, limiter.rates.org)
        except (ValueError, InvalidArgumentError) as error:
            logger.error("the rate limit of {} is not applied: {}", row.subject, error)
        else:
            limiter.apply(row.org, row.subject, wanted)


def _subject(wish: str, items: Container[str]) -> str:
    kind, _, name = wish.partition(":")
    if kind == Kind.ROUTE and is_floored(name):
        raise InvalidArgumentError(f"the limit of {FLOORED} is fixed, so that nobody can shut themselves out")
    if kind == Kind.USER:
        try:
            return of_user(UUID(name))
        except ValueError:
            raise NotFoundError(_UNKNOWN) from None
    if wish != Kind.ORG and wish not in items:
        raise NotFoundError(_UNKNOWN)
    return wish


def _audited(unit: Unit, subject: str) -> str:
    """A subject that is there, as the audit log names it: a user by the pseudonym."""
    kind, _, name = subject.partition(":")
    if kind != Kind.USER:
        return subject
    if (user := users.get(unit.session, unit.principal.org, UUID(name))) is None:
        raise NotFoundError(_UNKNOWN)
    return of_user(user.pseudonym)


def _pair(burst: str, sustained: str) -> Pair:
    try:
        return pair(burst, sustained)
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from None


def _check_ceiling(wanted: Pair, ceiling: Pair) -> None:
    """An org may be held shorter by its administrators, never longer: others share the machine."""
    for name, rate, most in (
        ("burst", wanted.burst, ceiling.burst),
        ("sustained", wanted.sustained, ceiling.sustained),
    ):
        if not rate.within(most):
            raise InvalidArgumentError(f"{name}: the operator allows an org at most {most.text}")


_UNKNOWN: Final = "there is no such subject; give org, user:ID, tool:NAME or route:METHOD /path"
