"""What the command line can ask about who gets in: tokens, keys, orgs, users and clients."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast
from uuid import UUID

from codingbrain import clock
from codingbrain.access.thumbprint import thumbprint
from codingbrain.errors import InvalidArgumentError
from codingbrain.host import wire
from codingbrain.identity.scopes import Scope
from codingbrain.runtime import Runtime

Method = Callable[[wire.Fields], Awaitable[object]]

_LONGEST: Final = 20_000
"""Characters of one parameter."""


@dataclass(frozen=True, slots=True)
class Access:
    """One host's answers; names are looked up in the org that the request names."""

    runtime: Runtime

    def methods(self) -> Mapping[str, Method]:
        """What answers to which method."""
        registry = self.runtime.registry
        return {
            "tokens.issue": self._issue,
            "tokens.list": self._tokens,
            "tokens.revoke": self._revoke,
            "tokens.deny": self._deny,
            "keys.list": self._keys,
            "keys.rotate": self._rotate,
            "org.create": _act(registry.create, "name"),
            "org.list": self._orgs,
            "org.link": _act(registry.link, "org", "pool"),
            "org.unlink": _act(registry.unlink, "org", "pool"),
            "user.add": _act(registry.add, "org", "name", "role"),
            "user.list": self._users,
            "user.role": _act(registry.role, "org", "name", "role"),
            "user.grant": _act(registry.grant, "org", "name", "grant"),
            "user.ungrant": _act(registry.ungrant, "org", "name", "grant"),
            "user.disable": _act(registry.disable, "org", "name"),
            "user.enable": _act(registry.enable, "org", "name"),
            "user.bind": _act(registry.bind, "org", "name", "issuer", "subject"),
            "client.list": self._clients,
            "client.block": _act(registry.block, "org", "name"),
            "client.unblock": _act(registry.unblock, "org", "name"),
        }

    async def _issue(self, params: wire.Fields) -> object:
        words, seconds = params.get("scopes"), params.get("seconds")
        token, issued = await self.runtime.tokens.issue(
            _text(params, "client"),
            [_scope(word) for word in cast("list[object]", words)] if isinstance(words, list) else None,
            seconds * clock.SECOND if isinstance(seconds, int) else None,
            user=await self.runtime.registry.holder(_text(params, "org"), _text(params, "user")),
            jkt=self._binding(params.get("key")),
        )
        return {"token": token, **_told(issued)}

    async def _tokens(self, params: wire.Fields) -> object:
        return [_told(each) for each in await self.runtime.tokens.list(await self._org(params))]

    async def _revoke(self, params: wire.Fields) -> object:
        try:
            id_ = UUID(_text(params, "id"))
        except ValueError:
            raise InvalidArgumentError("id: must be the id of a token, as `codingbrain token list` shows it") from None
        await self.runtime.tokens.revoke(id_, org=await self._org(params))
        return None

    async def _deny(self, params: wire.Fields) -> object:
        issuer, jti = _text(params, "issuer"), _text(params, "jti")
        self.runtime.registry.check_issuer(issuer, _text(params, "org"))
        await self.runtime.tokens.deny(issuer, jti, org=await self._org(params))
        return None

    async def _keys(self, _params: wire.Fields) -> object:
        return [_told(each) for each in self.runtime.tokens.signing()]

    async def _rotate(self, params: wire.Fields) -> object:
        await self.runtime.tokens.rotate(drop=params.get("drop") is True)
        return [_told(each) for each in self.runtime.tokens.signing()]

    async def _orgs(self, _params: wire.Fields) -> object:
        return [_told(each) for each in await self.runtime.registry.orgs()]

    async def _users(self, params: wire.Fields) -> object:
        return [_told(each) for each in await self.runtime.registry.users(_text(params, "org"))]

    async def _clients(self, params: wire.Fields) -> object:
        return [_told(each) for each in await self.runtime.registry.clients(_text(params, "org"))]

    async def _org(self, params: wire.Fields) -> UUID:
        return await self.runtime.registry.org(_text(params, "org"))

    def _binding(self, key: object) -> str | None:
        """A token that this server would not take is not issued."""
        policy = self.runtime.settings.dpop
        if policy == ("required" if key is None else "off"):
            which = "none that is bound to a key" if key is not None else "only tokens that are bound to a key"
            raise InvalidArgumentError(f"--dpop-key: the setting dpop is {policy}, so this server takes {which}")
        return None if key is None else thumbprint(str(key))


def _act(act: Callable[..., Awaitable[None]], *names: str) -> Method:
    async def method(params: wire.Fields) -> object:
        await act(*(_text(params, name) for name in names))
        return None

    return method


def _text(params: wire.Fields, name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise InvalidArgumentError(f"{name}: must be given, as text")
    return value


def _scope(word: object) -> Scope:
    try:
        return Scope(word)
    except ValueError:
        raise InvalidArgumentError(f"scope: {word!r} is not one of {', '.join(Scope)}") from None


def _told(shown: Any) -> wire.Fields:  # noqa: ANN401 - any of the flat values that are shown to operators
    return {name: _json(name, value) for name, value in asdict(shown).items()}


def _json(name: str, value: object) -> object:
    match value:
        case UUID():
            return str(value)
        case int() if name.endswith("_at"):
            return clock.to_iso(value)
        case tuple():
            return list(cast("tuple[object, ...]", value))
        case _:
            return value
