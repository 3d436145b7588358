"""What the work at hand belongs to, for logs and replies: the request and the tool."""

import os
from contextvars import ContextVar
from typing import Final

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id that a caller can quote; empty outside a request."""

chosen: ContextVar[bool] = ContextVar("chosen", default=False)
"""Whether the caller chose the request id, which can then be that of any other request."""

tool: ContextVar[str] = ContextVar("tool", default="")
"""The tool that runs; empty outside a call."""

_MARK: Final = "client:"


def audited_id() -> str | None:
    """The request id as evidence: one that the caller chose is marked, so that it cannot pass for one made here."""
    id_ = request_id.get()
    return (_MARK + id_ if chosen.get() else id_) or None


def new_request_id() -> str:
    """128 random bits in hex."""
    return os.urandom(16).hex()
