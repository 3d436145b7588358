"""The MCP inspector finds no fault with the schemas and can use the tools."""

import json

import pytest

from tests.journeys.program import Program
from tests.smoke.inspector import Inspector
from tests.smoke.recall import token

ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])


@pytest.mark.anyio
@ERAS
@pytest.mark.proves("MEM-11")
async def test_the_schemas_are_portable(era: str, inspector: Inspector, command: Program) -> None:
    strict = ("--protocol-era", era, "--method", "tools/list", "--strict", "--format", "json")
    async with command.serving():
        code, out, err = await inspector.call((await command.status())["url"], await token(command), *strict)
    assert (code, "add_memories" in out) == (0, True), out + err


@pytest.mark.anyio
@ERAS
@pytest.mark.proves("RUN-2")
async def test_the_tools_are_usable(era: str, inspector: Inspector, command: Program) -> None:
    text = {"text": "The parser keeps comments."}
    out = ""
    async with command.serving():
        url, bearer = (await command.status())["url"], await token(command)
        for tool, arguments in (("add_memories", text), ("search_memory", {"query": "comments parser"})):
            named = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments), "--format", "json")
            code, out, err = await inspector.call(url, bearer, "--protocol-era", era, "--method", "tools/call", *named)
            assert code == 0, out + err
    assert text["text"] in out
