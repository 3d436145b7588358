"""Every tool, with every scope, in every role, on own and on foreign objects, over both transports in both eras.

What is expected comes from `policy.toml`, not from the declarations of the tools.
"""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID

import pytest

from codingbrain.identity.roles import Role
from codingbrain.identity.scopes import Scope
from codingbrain_tools import TOOLS
from tests.authority import Authority, authority
from tests.journeys.served import Served, serve
from tests.security.callers import Answered, Caller, Era, Outcome, Refused, Transport, calling

POLICY: Final = tomllib.loads((Path(__file__).parent / "policy.toml").read_text())
SCOPES: Final = frozenset(scope.value for scope in Scope)
NEEDED: Final[Mapping[str, frozenset[str]]] = {tool: frozenset(scopes) for tool, scopes in POLICY["tools"].items()}

CARRIED: Final = (frozenset[str](), SCOPES, *(frozenset({scope}) for scope in sorted(SCOPES)))
"""What a token may carry here: nothing, everything, each scope alone."""

UNKNOWN: Final = str(UUID(int=7))
RATES: Final[dict[str, Any]] = {f"rate_{whom}_burst": "10000000/second" for whom in ("org", "user", "tool")} | {
    f"rate_{whom}": "100000000/minute" for whom in ("org", "user", "tool")
}


def allowed(role: str) -> frozenset[str]:
    """The scopes that a row of the table spells."""
    granted: set[str] = set()
    for word in POLICY["roles"][role]:
        pattern = word.removeprefix("-")
        family = pattern.removesuffix("*")
        meant = {scope for scope in SCOPES if scope == pattern or (pattern.endswith("*") and scope.startswith(family))}
        assert meant, f"{word} names no scope"
        granted = granted - meant if word.startswith("-") else granted | meant
    return frozenset(granted)


ALLOWED: Final = {role: allowed(role) for role in POLICY["roles"]}


@dataclass(frozen=True, slots=True)
class Orgs:
    """A served instance with two orgs; each holds one memory that all of its people see."""

    served: Served
    provider: Authority
    own: str
    foreign: str

    def token(self, role: str, carried: frozenset[str], org: str = "acme") -> str:
        """The token of somebody in this role."""
        who = {"tenant": org, "roles": [role], "sub": f"{role} of {org}"}
        return self.provider.token(self.served.origin, scope=" ".join(sorted(carried)), **who)

    def calling(
        self, role: str, carried: frozenset[str], transport: Transport, era: Era
    ) -> AbstractContextManager[Caller]:
        """A client of somebody in this role."""
        return calling(self.served.origin, self.token(role, carried), transport, era)


def remembered(origin: str, token: str, text: str) -> str:
    """The id of a new memory for a whole org."""
    with calling(origin, token, "http", "modern") as caller:
        answer = caller.call("add_memories", {"text": text, "visibility": "org"})
    assert isinstance(answer, Answered)
    return answer.content["results"][0]["id"]


@pytest.fixture(scope="module")
def orgs() -> Iterator[Orgs]:
    with TemporaryDirectory(prefix="cb-") as folder, authority() as provider:
        issuer = provider.issuer(
            org=None, org_claim="tenant", orgs=["acme", "globex"], roles_claim="roles", new_users="reader"
        )
        with serve(Path(folder), issuers=[issuer], **RATES) as served:
            for name in ("acme", "globex"):
                served.portal.call(served.runtime.registry.create, name)
            empty = Orgs(served, provider, "", "")
            own, foreign = (
                remembered(served.origin, empty.token("owner", SCOPES, org), f"the zebra of {org}")
                for org in ("acme", "globex")
            )
            yield Orgs(served, provider, own, foreign)


@pytest.fixture
def http_client(orgs: Orgs) -> Orgs:
    """The door: raw clients of every kind."""
    return orgs


def arguments(tool: str, target: str) -> dict[str, Any]:
    """A call that concerns an object, if the tool takes one."""
    match tool:
        case "add_memories":
            return {"text": "the zebra of whoever asks"}
        case "search_memory":
            return {"query": "zebra"}
        case "get_memory" | "memory_history":
            return {"id": target}
        case "update_memory":
            return {"ids": [target], "add_tags": ["striped"]}
        case "delete_memories":
            return {"ids": [target]}
        case _:
            return {}


TARGETED: Final = frozenset({"get_memory", "memory_history", "update_memory", "delete_memories"})


def admitted(tool: str, carried: frozenset[str], role: str, outcome: Outcome) -> bool:
    """Whether the call got to the tool, after checking that it was answered as the table says."""
    needed = NEEDED[tool]
    if needed <= carried & ALLOWED[role]:
        assert isinstance(outcome, Answered), (tool, carried, outcome)
        return True
    assert isinstance(outcome, Refused), (tool, carried, outcome)
    assert outcome.status == 403
    challenges = " ".join(outcome.challenges)
    if needed <= ALLOWED[role]:
        assert outcome.code == "insufficient_scope"
        assert 'error="insufficient_scope"' in challenges
        assert f'scope="{" ".join(sorted(needed))}"' in challenges
        assert 'resource_metadata="' in challenges
    else:
        assert outcome.code == "forbidden"
        assert "insufficient_scope" not in challenges
    return False


def failure(answer: Answered) -> tuple[str, str]:
    """Code and message of a failed call, or of its only item; blank if it did not fail."""
    told = answer.content if answer.failed else next(iter(answer.content.get("results", ({},)))).get("error", {})
    return told.get("code", ""), told.get("message", "")


def as_unknown(answer: Answered, unknown: Answered, target: str) -> bool:
    """Whether both answers are the same but for the id."""
    code, message = failure(answer)
    return code == "not_found" and (code, message.replace(target, UNKNOWN)) == failure(unknown)


@pytest.mark.proves("ID-1", "ID-4", "ID-6", "ID-7", "TEST-4")
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("transport", "era"), list(product(("http", "sse"), ("modern", "legacy"))))
def test_a_call_is_admitted_as_the_table_says(http_client: Orgs, transport: Transport, era: Era, role: str) -> None:
    calls = 0
    for carried in CARRIED:
        with http_client.calling(role, carried, transport, era) as caller:
            for tool in NEEDED:
                calls += 1
                own = http_client.own
                if tool == "delete_memories" and NEEDED[tool] <= carried & ALLOWED[role]:
                    owner = http_client.token("owner", SCOPES)
                    own = remembered(http_client.served.origin, owner, f"for {role} {transport} {era} {len(carried)}")
                answer = caller.call(tool, arguments(tool, own))
                if not admitted(tool, carried, role, answer):
                    continue
                assert isinstance(answer, Answered)
                assert failure(answer)[0] in {"", "forbidden"}
                assert http_client.foreign not in repr(answer.content)
                assert "globex" not in repr(answer.content)
                if tool in TARGETED:
                    other = caller.call(tool, arguments(tool, http_client.foreign))
                    unknown = caller.call(tool, arguments(tool, UNKNOWN))
                    assert isinstance(other, Answered)
                    assert isinstance(unknown, Answered)
                    assert as_unknown(other, unknown, http_client.foreign)
    assert calls == len(CARRIED) * len(TOOLS)


@pytest.mark.parametrize("role", list(Role))
def test_changes_take_the_right_to_edit(orgs: Orgs, role: str) -> None:
    """What everybody sees is changed by its author and by those who govern the org."""
    with orgs.calling(role, SCOPES, "http", "modern") as caller:
        outcome = caller.call("update_memory", arguments("update_memory", orgs.own))
    if "memories:write" not in ALLOWED[role]:
        assert isinstance(outcome, Refused)
    else:
        assert isinstance(outcome, Answered)
        assert failure(outcome)[0] == ("" if role in {"owner", "admin"} else "forbidden")


def test_every_tool_has_a_row() -> None:
    assert [tool.name for tool in TOOLS] == list(NEEDED)


def test_every_role_has_a_row() -> None:
    assert {role.value for role in Role} == set(ALLOWED)


@pytest.mark.anyio
@pytest.mark.proves("ID-4")
@pytest.mark.parametrize("role", list(Role))
async def test_the_list_shows_what_the_token_and_the_role_allow(http_client: Orgs, role: str) -> None:
    for carried in CARRIED:
        async with http_client.served.mcp("http", "auto", http_client.token(role, carried)) as client:
            shown = {tool.name for tool in (await client.list_tools()).tools}
        assert shown == {tool for tool, needed in NEEDED.items() if needed <= carried & ALLOWED[role]}
