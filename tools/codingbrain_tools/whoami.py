"""The tool that tells callers who they are here."""

from dataclasses import dataclass
from typing import Final

from codingbrain.clock import to_iso
from codingbrain.runtime import Workspace
from codingbrain.toolkit.tool import READS, Cost, Tool, Toolset
from codingbrain_tools.arguments import Nothing


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller as the server sees it."""

    org: str
    user: str
    user_name: str
    client: str
    scopes: tuple[str, ...]
    expires_at: str | None = None


async def _whoami(workspace: Workspace, said: Nothing) -> Identity:
    del said
    caller = workspace.principal
    expires = None if caller.expires_at is None else to_iso(caller.expires_at)
    scopes = tuple(sorted(caller.scopes))
    return Identity(str(caller.org), str(caller.user), caller.user_name, caller.client, scopes, expires)


WHOAMI: Final = Tool(
    name="whoami",
    title="Who am I",
    description="Your org, user, client and scopes here.",
    toolset=Toolset.CORE,
    scopes=frozenset(),
    arguments=Nothing,
    result=Identity,
    handler=_whoami,
    hints=READS,
    cost=Cost.CHEAP,
)
