"""From settings to a working server: engines chosen by URL, services built on them, background work running."""

import importlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from loguru import logger

from codingbrain import clock, ids
from codingbrain.access.auditor import Auditor, Review
from codingbrain.access.authenticator import Authenticator
from codingbrain.access.entrance import entrance
from codingbrain.access.keyring import Keyring
from codingbrain.access.keys import audit_key, cursor_key
from codingbrain.access.people import People
from codingbrain.access.quotas import Quotas, restore
from codingbrain.access.recent import Recent
from codingbrain.access.registry import Registry
from codingbrain.access.tokens import Holder, Tokens
from codingbrain.access.trail import Trail
from codingbrain.domain.query import Lane
from codingbrain.errors import CodingbrainError, StorageError, ungrouped
from codingbrain.identity.principal import Principal
from codingbrain.identity.roles import Role
from codingbrain.identity.scopes import EVERYDAY
from codingbrain.limits.limiter import Limiter
from codingbrain.limits.rates import Rates
from codingbrain.memory.service import MemoryService, Shelf
from codingbrain.ports.lexical import ColocatedLexical
from codingbrain.ports.vectors import VectorEngine
from codingbrain.record.orgs import settle_local_user
from codingbrain.record.schema import settle
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import OperatorRecord
from codingbrain.release import VERSION
from codingbrain.retrieval.backlog import Backlog
from codingbrain.retrieval.cursor import Seal
from codingbrain.retrieval.encoder import Absent, Encoder, Loader, Loading, Missing, Ready
from codingbrain.retrieval.indexes import Indexes
from codingbrain.retrieval.pipeline import Engines, Pipeline, Search
from codingbrain.retrieval.tuning import Tuning
from codingbrain.settings import Settings
from codingbrain.sync import catchup, indexer, upkeep
from codingbrain.telemetry.metrics import Health, Metrics

DATABASE: Final = "codingbrain.db"

_STORES: Final = b"stores"

_RECORDS: Final = {"sqlite": ("codingbrain.record.sqlite", "SqliteRecord")}
_LEXICAL: Final = {"fts5": ("codingbrain.stores.lexical.fts5", "Fts5")}
_VECTORS: Final = {"exact": ("codingbrain.stores.vectors.exact", "Exact")}
_EMBEDDERS: Final = {"granite": ("codingbrain.inference.granite", "load")}


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything that one principal can reach."""

    principal: Principal
    memories: MemoryService
    search: Search


@dataclass(frozen=True, slots=True)
class Finding:
    """How one dependency stands, in a word; how long its answer took, and when it came."""

    state: str
    seconds: float
    checked_at: clock.Micros


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served: `ok`, `degraded` (a lane is missing) or `down`, and what each check found."""

    state: str
    findings: Mapping[str, Finding]

    @property
    def checks(self) -> dict[str, str]:
        """A word per check."""
        return {name: finding.state for name, finding in self.findings.items()}


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running server without its faces."""

    settings: Settings
    metrics: Metrics
    version: str
    origin: str
    keyring: Keyring
    authenticator: Authenticator
    people: People
    tokens: Tokens
    registry: Registry
    owner: Principal
    pipeline: Pipeline
    shelf: Shelf
    limiter: Limiter
    trail: Trail
    auditor: Auditor
    readings: Recent[dict[str, Finding]]

    def workspace(self, principal: Principal) -> Workspace:
        """What this principal can reach."""
        return Workspace(principal, MemoryService(self.shelf, principal), Search(self.pipeline, principal))

    def quotas(self, principal: Principal) -> Quotas:
        """The rate limits of this principal's org."""
        return Quotas(self.shelf.record, self.limiter, clock.now, principal)

    def review(self, principal: Principal) -> Review:
        """The audit log of this principal's org."""
        return Review(self.auditor, self.shelf.seal, principal)

    async def readiness(self) -> Readiness:
        """How the record and the indexes stood in the last second, since anybody may ask; how the model stands."""
        epoch = self.readings.epoch
        if (stores := self.readings.get(_STORES)) is None:
            stores = await self._stores()
            self.readings.put(_STORES, stores, clock.now() + clock.SECOND, epoch)
        found = {**stores, "embedder": Finding(self._embedder(), 0.0, clock.now())}
        states = {name: finding.state for name, finding in found.items()}
        whole = "ok" if set(states.values()) <= {"ok", "off"} else "degraded"
        return Readiness("down" if states["record"] == "down" else whole, found)

    async def _stores(self) -> dict[str, Finding]:
        """Ask all at the same time."""
        engines = self.pipeline.engines
        checks = {"record": engines.record.check, "lexical": engines.lexical.check, "vectors": engines.vectors.check}
        found = dict.fromkeys(checks, Finding("down", 0.0, clock.now()))
        async with anyio.create_task_group() as tasks:
            for dependency, check in checks.items():
                tasks.start_soon(self._check, dependency, check, found)
        return found

    async def _check(self, dependency: str, check: Callable[[], Awaitable[None]], found: dict[str, Finding]) -> None:
        began, state, health = time.perf_counter(), "ok", Health.OK
        try:
            with anyio.fail_after(self.settings.lane_timeout_seconds):
                await check()
        except (CodingbrainError, TimeoutError):
            state, health = "down", Health.DOWN
        self.metrics.health(dependency, health)
        found[dependency] = Finding(state, time.perf_counter() - began, clock.now())

    def _embedder(self) -> str:
        match self.pipeline.engines.encoder.state:
            case Ready():
                word, health = "ok", Health.OK
            case Loading():
                word, health = "loading", Health.DEGRADED
            case Missing():
                word, health = "down", Health.DOWN
            case Absent():
                word, health = "off", Health.OK
        self.metrics.health("embedder", health)
        return word


@asynccontextmanager
async def open_runtime(
    settings: Settings, metrics: Metrics, loader: Loader | None = None, origin: str | None = None
) -> AsyncGenerator[Runtime]:
    """Open the stores, start the background work, and close everything in order afterwards.

    `loader` replaces the embedding model that the settings name, `origin` the address that clients use.

    Raises:
        StorageError, SchemaNewerError: the data directory cannot be used.
    """
    path = _private(settings.data_dir) / DATABASE
    record: SqliteRecord = _engine(_RECORDS, settings.record_url)(path, metrics)
    async with record.running():
        await settle(record, path)
        engines = await _engines(settings, metrics, record, loader)
        backlog = Backlog(Lane.VECTOR, settings.queue_limit, metrics)
        runtime = await _assemble(settings, metrics, engines, backlog, origin or settings.origin)
        keeping = upkeep.Upkeep(OperatorRecord(record, upkeep.OPERATOR), settings.deleted_days, clock.now)
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(engines.encoder.load)
                tasks.start_soon(_mend_words, engines)
                tasks.start_soon(_follow, engines, backlog, runtime.owner)
                tasks.start_soon(keeping.run)
                tasks.start_soon(runtime.trail.run)
                tasks.start_soon(runtime.authenticator.run)
                try:
                    yield runtime
                finally:
                    tasks.cancel_scope.cancel()


async def _engines(settings: Settings, metrics: Metrics, record: SqliteRecord, loader: Loader | None) -> Engines:
    lexical: ColocatedLexical = _engine(_LEXICAL, settings.lexical_url)(record)
    vectors: VectorEngine = _engine(_VECTORS, settings.vectors_url)(record)
    await lexical.prepare()
    await vectors.prepare()
    return Engines(record, lexical, vectors, Encoder(loader or _loader(settings), metrics))


async def _assemble(settings: Settings, metrics: Metrics, engines: Engines, backlog: Backlog, origin: str) -> Runtime:
    seal = Seal(cursor_key(settings.data_dir / "keys"), clock.now)
    log_key = audit_key(settings.data_dir / "keys")
    trail = Trail(engines.record, log_key, clock.now)
    follows = None if isinstance(engines.encoder.state, Absent) else backlog
    shelf = Shelf(engines.record, Indexes(engines.lexical, follows), seal, clock.now, ids.uuid7, trail.denied)
    pipeline = Pipeline(engines, follows, _tuning(settings), seal, metrics, clock.now, ids.uuid7)
    owner = await _owner(engines.record)
    door = entrance(settings, engines.record, Holder(owner.org, owner.user), origin, clock.now, ids.uuid7)
    limiter = Limiter(Rates.of(settings), metrics=metrics)
    await restore(engines.record, limiter)
    for name in await door.registry.missing():
        logger.warning("an identity provider speaks for {}, which is no org here: its tokens are refused", name)
    return Runtime(
        settings=settings,
        metrics=metrics,
        version=VERSION,
        origin=origin,
        keyring=door.keyring,
        authenticator=door.authenticator,
        people=door.people,
        tokens=door.tokens,
        registry=door.registry,
        owner=owner,
        pipeline=pipeline,
        shelf=shelf,
        limiter=limiter,
        trail=trail,
        auditor=Auditor(engines.record, log_key, clock.now),
        readings=Recent(clock.now),
    )


async def _owner(record: SqliteRecord) -> Principal:
    user = await record.write_session(lambda session: settle_local_user(session, ids.uuid7, clock.now()))
    role = frozenset({Role.OWNER})
    return Principal(user.org, user.id, user.name, "stdio", EVERYDAY, role, pseudonym=user.pseudonym)


async def _mend_words(engines: Engines) -> None:
    """Bring the lexical index in step with the record, if it is not."""
    with _survived("the lexical index could not be compared with the record"):
        await catchup.CatchUp(OperatorRecord(engines.record, catchup.OPERATOR), clock.now).lexical(engines.lexical)


async def _follow(engines: Engines, backlog: Backlog, owner: Principal) -> None:
    """Load what the owner will search, mend the vector index once, then keep it up to date."""
    state = await engines.encoder.settled()
    if not isinstance(state, Ready):
        return
    with _survived("the vector index could not be compared with the record"):
        await engines.vectors.tenant(owner.tenant, state.embedder.model).warm()
        mending = catchup.CatchUp(OperatorRecord(engines.record, catchup.OPERATOR), clock.now)
        await mending.vectors(engines.vectors, state.embedder.model)
    own = OperatorRecord(engines.record, indexer.OPERATOR)
    await indexer.Indexer(own, engines.vectors, state.embedder, backlog, clock.now).run()


@contextmanager
def _survived(what: str) -> Generator[None]:
    """A failure of background work costs that work, not the server; the next start tries again."""
    try:
        yield
    except CodingbrainError as error:
        logger.error("{}: {}", what, error.message)


def _tuning(settings: Settings) -> Tuning:
    weights = {
        Lane.LEXICAL: settings.weight_lexical,
        Lane.VECTOR: settings.weight_vector,
        Lane.RECENCY: settings.weight_recency,
    }
    half_life, candidates = round(settings.recency_half_life_days * clock.DAY), settings.candidates
    return Tuning(settings.fusion, weights, half_life, candidates, settings.lane_timeout_seconds)


def _engine(known: Mapping[str, tuple[str, str]], url: str) -> Any:  # noqa: ANN401 - a class that its port describes
    """The engine that a URL's scheme names; only the chosen one is imported."""
    module, name = known[url.partition(":")[0]]
    return getattr(importlib.import_module(module), name)


def _loader(settings: Settings) -> Loader | None:
    if settings.embedder_url.startswith("none:"):
        return None
    return lambda: _engine(_EMBEDDERS, settings.embedder_url)(settings.embedder_url, settings.embedder_threads)


def _private(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder} cannot be used as the data directory: {error.strerror}"
        raise StorageError(message) from None
    return folder
