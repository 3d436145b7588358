"""What the command line can ask of a running host."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import cast, get_args
from uuid import UUID

import anyio

from codingbrain import clock
from codingbrain.access.tokens import Issued
from codingbrain.errors import InvalidArgumentError, UnknownToolError
from codingbrain.host import wire
from codingbrain.host.clients import Clients
from codingbrain.identity.scopes import EVERYTHING, Scope
from codingbrain.runtime import Runtime
from codingbrain.telemetry.logs import Level, Logs

Method = Callable[[wire.Fields], Awaitable[object]]


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
            raise UnknownToolError("the running host does not know this command; it may be of another release")
        params = request.get("params")
        return await method(cast("wire.Fields", params) if isinstance(params, dict) else {})

    def _methods(self) -> Mapping[str, Method]:
        return {
            "status": self._status,
            "retire": self._retire,
            "logs.level": self._level,
            "token.issue": self._issue,
            "token.list": self._list,
            "token.revoke": self._revoke,
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

    async def _issue(self, params: wire.Fields) -> object:
        match params:
            case {"client": str(client), "scopes": words, "seconds": int() | None as seconds}:
                scopes = EVERYTHING if words is None else [_scope(str(word)) for word in cast("list[object]", words)]
                lifetime = None if seconds is None else seconds * clock.SECOND
                token, issued = await self.runtime.tokens.issue(client, scopes, lifetime)
                return {"token": token, **_told(issued)}
            case _:
                raise InvalidArgumentError("client, scopes and seconds are needed")

    async def _list(self, _params: wire.Fields) -> object:
        return [_told(issued) for issued in await self.runtime.tokens.list()]

    async def _revoke(self, params: wire.Fields) -> object:
        try:
            id_ = UUID(str(params.get("id")))
        except ValueError:
            raise InvalidArgumentError("id: must be the id of a token, as `codingbrain token list` shows it") from None
        await self.runtime.tokens.revoke(id_)
        return None


def _scope(word: str) -> Scope:
    try:
        return Scope(word)
    except ValueError:
        raise InvalidArgumentError(f"scope: {word!r} is not one of {', '.join(Scope)}") from None


def _told(issued: Issued) -> wire.Fields:
    times = {key: value for key, value in asdict(issued).items() if key.endswith("_at")}
    return {
        "id": str(issued.id),
        "client": issued.client,
        "scopes": list(issued.scopes),
        **{key: None if at is None else clock.to_iso(at) for key, at in times.items()},
    }
