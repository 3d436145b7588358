"""Test tools that tell the client something while they run, or refuse because of what it cannot do."""

from typing import Final

import anyio
from mcp.server.connection import allowed_log_levels
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    SamplingCapability,
)

from tests.conformance.handler import Context, Handler, said

PAUSE: Final = 0.05
"""Seconds between two notices, which the suite asks for."""

STEPS: Final = (0, 50, 100)
LINES: Final = ("Tool execution started", "Tool processing data", "Tool execution completed")


async def _progressing(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    del params
    for step in STEPS:
        await ctx.session.report_progress(step, 100, f"Completed step {step} of 100")
        await anyio.sleep(PAUSE)
    return said("All steps are completed.")


async def _logging(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    del params
    for line in LINES:
        await _log(ctx, line)
        await anyio.sleep(PAUSE)
    return said("Everything is logged.")


async def _log(ctx: Context, line: str) -> None:
    """To clients of 2026-07-28 only if their request asks for it."""
    if "info" in allowed_log_levels(ctx.protocol_version, dict(ctx.meta or {})):
        params = LoggingMessageNotificationParams(level="info", data=line)
        await ctx.session.send_notification(LoggingMessageNotification(params=params), ctx.request_id)


async def _needing_sampling(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    del params
    needed = ClientCapabilities(sampling=SamplingCapability())
    if not ctx.session.check_client_capability(needed):
        data = {"requiredCapabilities": needed.model_dump(mode="json", by_alias=True, exclude_none=True)}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "The client must be able to sample.", data)
    return said("The client can sample.")


HANDLERS: Final = (
    Handler("test_tool_with_progress", "Reports its progress in three steps.", _progressing),
    Handler("test_tool_with_logging", "Logs three lines.", _logging),
    Handler("test_logging_tool", "Logs three lines.", _logging),
    Handler("test_missing_capability", "Works for clients that can sample.", _needing_sampling),
)
