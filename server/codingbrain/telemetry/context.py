"""What the work at hand belongs to, for logs and replies: the request and the tool."""

import os
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id that a caller can quote; empty outside a request."""

tool: ContextVar[str] = ContextVar("tool", default="")
"""The tool that runs; empty outside a call."""


def new_request_id() -> str:
    """128 random bits in hex."""
    return os.urandom(16).hex()
