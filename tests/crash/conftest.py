"""The doors of the journeys."""

from tests.journeys.conftest import command, mcp_client

__all__ = ["command", "mcp_client"]
