"""The MCP inspector finds no fault with the schemas and can use the tools."""

import json

import pytest

from tests.smoke.inspector import Inspector
from tests.smoke.program import Program

ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])


@pytest.mark.anyio
@ERAS
@pytest.mark.proves("MEM-11")
async def test_the_schemas_are_portable(era: str, inspector: Inspector, program: Program) -> None:
    async with program.serve() as origin:
        strict = ("--protocol-era", era, "--method", "tools/list", "--strict", "--format", "json")
        code, out, err = await inspector.call(origin, await program.token(), *strict)
    assert (code, "tools" in out) == (0, True), err


@pytest.mark.anyio
@ERAS
@pytest.mark.proves("RUN-2")
async def test_the_tools_are_usable(era: str, inspector: Inspector, program: Program) -> None:
    text = {"text": "The parser keeps comments."}
    async with program.serve() as origin:
        token = await program.token()
        for tool, arguments in (("add_memories", text), ("search_memory", {"query": "comments parser"})):
            named = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments), "--format", "json")
            code, out, err = await inspector.call(
                origin, token, "--protocol-era", era, "--method", "tools/call", *named
            )
            assert code == 0, out + err
    assert text["text"] in out
