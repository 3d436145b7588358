"""What the command line can ask of a running host."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, get_args

import anyio

from codingbrain import clock
from codingbrain.errors import InvalidArgumentError, UnknownToolError
from codingbrain.host import wire
from codingbrain.host.access import Access, Method
from codingbrain.host.audit import Audit
from codingbrain.host.clients import Clients
from codingbrain.runtime import Runtime
from codingbrain.telemetry.logs import Level, Logs


@dataclass(frozen=True, slots=True)
class About:
    """What stays true of a host for as long as it runs; `url` is where it serves HTTP, if it does."""

    pid: int
    kind: str
    url: str | None
    started_at: clock.Micros


@dataclass(frozen=True, slots=True)
class Control:
    """One host's answers."""

    runtime: Runtime
    logs: Logs
    clients: Clients
    about: About
    stop: anyio.Event

    async def __call__(self, request: wire.Fields) -> object:
        """Answer one request.

        Raises:
            CodingbrainError: the request is unknown or malformed, or could not be fulfilled.
        """
        method = self._methods().get(str(request.get("method")))
        if method is None:
            raise UnknownToolError("the running host is of another release; `codingbrain stop` ends it, then try again")
        params = request.get("params")
        return await method(cast("wire.Fields", params) if isinstance(params, dict) else {})

    def _methods(self) -> Mapping[str, Method]:
        return {
            "status": self._status,
            "retire": self._retire,
            "logs.level": self._level,
            **Access(self.runtime).methods(),
            **Audit(self.runtime).methods(),
        }

    async def _status(self, _params: wire.Fields) -> object:
        readiness = await self.runtime.readiness()
        return {
            "version": self.runtime.version,
            "pid": self.about.pid,
            "kind": self.about.kind,
            "url": self.about.url,
            "started": clock.to_iso(self.about.started_at),
            "clients": len(self.clients),
            "log_level": self.logs.level,
            "state": readiness.state,
            "checks": dict(readiness.checks),
        }

    async def _retire(self, _params: wire.Fields) -> object:
        self.stop.set()
        return None

    async def _level(self, params: wire.Fields) -> object:
        for level in get_args(Level):
            if params.get("level") == level:
                self.logs.set_level(level)
                return level
        raise InvalidArgumentError(f"level: must be one of {', '.join(get_args(Level))}")
