"""The keys of an identity provider (RFC 7517), fetched when they are needed and kept for a while.

One task fetches (`Jwks.run`); whoever needs a key asks it and waits. So there is never more than one request to the
issuer, and a caller who gives up takes nothing down with them.
"""

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import anyio
import httpx2
from joserfc.jwk import Key
from loguru import logger
from pydantic import BaseModel, Field, ValidationError

from codingbrain.access.jwk import public
from codingbrain.clock import SECOND, Clock, Micros
from codingbrain.errors import UnauthenticatedError, UnavailableError

MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
TIMEOUT: Final = 5.0
"""Seconds for the whole answer of an issuer."""

PATIENCE: Final[Micros] = 30 * SECOND
"""How long a key id that was looked up in vain, whichever it was, keeps the next from being looked up."""

BACKOFF: Final[Micros] = 5 * SECOND
"""How long an issuer that did not answer is left alone."""

_OK: Final = 200
_HEADERS: Final = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}


class _Member(BaseModel):
    """One key as it was published; of what it says about itself only this is read."""

    kid: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    use: str | None = None
    alg: str | None = None
    key_ops: list[str] | None = None
    said: dict[str, Any]


class _Document(BaseModel):
    keys: Annotated[list[dict[str, Any]], Field(max_length=MAX_KEYS)]


@dataclass(frozen=True, slots=True)
class _Published:
    """A key, and the one algorithm that it is used with."""

    kid: str | None
    algorithm: str
    thumbprint: str
    key: Key


Published = tuple[_Published, ...]


class Jwks:
    """The keys of one issuer, for the algorithms that it may sign with.

    A set counts for `ttl`. For as long again it is used while a new one is fetched; after that the new one is waited
    for, unless the issuer is known not to answer: then the old one is used for up to `stale` after its `ttl`, and
    after that nobody of that issuer gets in. A key that the issuer took back is gone with the next set.
    """

    def __init__(  # noqa: PLR0913 - all but the last are what an operator sets, and that is for tests
        self,
        url: str,
        clock: Clock,
        ttl: Micros,
        stale: Micros,
        algorithms: Collection[str],
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        self._url = url
        self._host = urlsplit(url).hostname or ""
        self._clock = clock
        self._ttl = ttl
        self._stale = stale
        self._algorithms = frozenset(algorithms)
        self._timeout = timeout
        self._published: Published | None = None
        self._fetched_at: Micros = 0
        self._failed_at: Micros | None = None
        self._searched_at: Micros = -PATIENCE
        self._epoch = 0
        self._fetching = False
        self._wanted = anyio.Event()
        self._settled = anyio.Event()

    @property
    def epoch(self) -> int:
        """Changes when the keys do."""
        return self._epoch

    async def key(self, kid: str | None, algorithm: str) -> Key:
        """The key with this id; without an id, the only one of the algorithm.

        Raises:
            UnauthenticatedError: the issuer has no such key.
            UnavailableError: the issuer cannot be asked.
        """
        published = await self._current()
        if (found := _find(published, kid, algorithm)) is not None:
            return found
        if self._may_search():
            await self._refresh()
            published = self._usable()
        if (found := _find(published, kid, algorithm)) is not None:
            return found
        if self._failed_at is not None:
            raise _unavailable()
        raise UnauthenticatedError("the issuer has no such key")

    async def run(self) -> None:
        """Fetch whenever somebody asks, until cancelled."""
        async with _client(self._host) as client:
            while True:
                await self._wanted.wait()
                self._fetching, self._wanted = True, anyio.Event()
                await self._fetch(client)
                self._fetching, settled, self._settled = False, self._settled, anyio.Event()
                settled.set()

    async def _current(self) -> Published:
        age = self._age()
        if not (0 <= age < self._ttl or self._left_alone()):
            if self._lasting() is not None and (age < 2 * self._ttl or self._failed_at is not None):
                self._ask()
            else:
                await self._refresh()
        return self._usable()

    def _usable(self) -> Published:
        if (published := self._lasting()) is None:
            raise _unavailable()
        return published

    def _lasting(self) -> Published | None:
        return self._published if 0 <= self._age() < self._ttl + self._stale else None

    def _age(self) -> Micros:
        """How old the keys are; nobody knows, and it is -1, if there are none or the clock was set back."""
        return -1 if self._published is None else max(-1, self._clock() - self._fetched_at)

    def _left_alone(self) -> bool:
        return self._failed_at is not None and 0 <= self._clock() - self._failed_at < BACKOFF

    def _may_search(self) -> bool:
        """Whether an unknown key id may lead to the issuer: made-up ids must not make this server hammer it."""
        if self._fetching:
            return True
        now = self._clock()
        if self._left_alone() or 0 <= now - self._searched_at < PATIENCE:
            return False
        self._searched_at = now
        return True

    def _ask(self) -> None:
        if not self._fetching:
            self._wanted.set()

    async def _refresh(self) -> None:
        """Wait for the answer that is under way, or for a new one."""
        self._ask()
        settled = self._settled
        with anyio.move_on_after(self._timeout + 1):
            await settled.wait()

    async def _fetch(self, client: httpx2.AsyncClient) -> None:
        try:
            with anyio.fail_after(self._timeout):
                body = await _body(client, self._url)
            published = _published(body, self._algorithms)
        except Exception as error:  # noqa: BLE001 - whatever an issuer answers costs its own bearers only
            self._failed_at = self._clock()
            self._searched_at = self._failed_at - PATIENCE  # nothing was found out, so the next may look again
            logger.warning("the keys of {} could not be fetched: {}", self._host, _reason(error))
            return
        self._fetched_at, self._failed_at = self._clock(), None
        if self._published is None or _names(published) != _names(self._published):
            self._published = published
            self._epoch += 1
            logger.info("{} publishes {} usable keys", self._host, len(published))


def canonical(algorithm: object) -> str | None:
    """The name that an algorithm has here.

    RFC 9864 gave Ed25519 a name of its own; before, it was a curve of EdDSA, and here it is the only one.
    """
    if algorithm == "Ed25519":
        return "EdDSA"
    return algorithm if isinstance(algorithm, str) else None


class _AnswerError(Exception):
    """What the issuer answered cannot be used; the message quotes nothing of it."""


def _client(host: str) -> httpx2.AsyncClient:
    """Redirects are not followed. Proxies and authorities of the environment count, except on this machine."""
    return httpx2.AsyncClient(timeout=None, headers=_HEADERS, follow_redirects=False, trust_env=not _is_local(host))


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _body(client: httpx2.AsyncClient, url: str) -> bytes:
    async with client.stream("GET", url) as answer:
        if answer.status_code != _OK:
            raise _AnswerError(f"status {answer.status_code}")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise _AnswerError("an encoding that was not asked for")
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise _AnswerError(f"more than {MAX_BYTES} bytes")
        return bytes(body)


def _published(body: bytes, algorithms: Collection[str]) -> Published:
    members = [found for each in _Document.model_validate_json(body).keys if (found := _member(each)) is not None]
    times = Counter(member.kid for member in members if member.use != "enc")
    keys = (_imported(member) for member in members if member.kid is None or times[member.kid] == 1)
    return tuple(key for key in keys if key is not None and key.algorithm in algorithms)


def _member(said: dict[str, Any]) -> _Member | None:
    try:
        return _Member.model_validate({**said, "said": said})
    except ValidationError:
        return None


def _imported(member: _Member) -> _Published | None:
    """A key that may verify signatures, without anything of its publisher's but the numbers.

    A key whose private half was published is anybody's.
    """
    for_signing = member.use in {None, "sig"} and (member.key_ops is None or "verify" in member.key_ops)
    if not for_signing:
        return None
    try:
        found = public(member.said)
    except ValueError:
        return None
    fits = canonical(member.alg) in {None, found.algorithm}
    return _Published(member.kid, found.algorithm, found.key.thumbprint(), found.key) if fits else None


def _find(published: Published, kid: str | None, algorithm: str) -> Key | None:
    fitting = [each for each in published if each.algorithm == algorithm and (kid is None or each.kid == kid)]
    return fitting[0].key if len(fitting) == 1 else None


def _names(published: Iterable[_Published]) -> frozenset[tuple[str | None, str, str]]:
    return frozenset((each.kid, each.algorithm, each.thumbprint) for each in published)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _AnswerError) else type(error).__name__


def _unavailable() -> UnavailableError:
    return UnavailableError("the identity provider that issued this token cannot be reached; try again in a moment")
