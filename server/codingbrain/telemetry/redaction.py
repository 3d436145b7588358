"""Secrets never reach a log: what looks like one is blanked out wherever it stands."""

import re
from typing import Final

BLANK: Final = "[redacted]"

_HEADER = (
    r"(?P<header>\b(?:proxy-)?authorization|\bdpop|\b(?:set-)?cookie)"
    r"""(?P<sep>["'\\]*\s*[:=,]\s*(?:b(?=["']))?["'\\]*)"""
)
_NAMED = r"""(?P<named>\b(?:(?:access|refresh)_token|client_secret|password|api[_-]?key)["'\\]*\s*[:=]\s*["'\\]*)"""
_SECRET: Final = re.compile(
    "|".join(
        (
            _HEADER + r"""(?:(?:bearer|dpop|basic)\s+)?[^\s"'\\,;)]+""",
            r"(?P<scheme>\b(?:bearer|dpop|basic)\s+)(?=[^\s]*[\d._~+/=-])[\w.~+/=-]{8,}",
            r"\bcbr_[\w-]+(?:\.[\w-]+)*",
            r"\beyJ[\w-]+\.[\w-]+\.[\w-]*",
            r"(?P<session>\b(?:mcp-)?session(?:[ _-]?id)?[^0-9a-z]{0,4}b?[\"']?)[0-9a-f][0-9a-f-]{15,}",
            _NAMED + r"""[^\s"'\\&,;)]+""",
        )
    ),
    re.IGNORECASE,
)
_HINT: Final = re.compile(r"auth|dpop|cookie|bearer|basic|cbr_|eyj|session|token|secret|password|api", re.IGNORECASE)


def redact(text: str) -> str:
    """The text without credentials: headers, bearer and DPoP values, tokens, session ids, secrets named as such."""
    return _SECRET.sub(_blank, text) if _HINT.search(text) else text


def _blank(found: re.Match[str]) -> str:
    kept = found.groupdict()
    lead = kept["header"] + kept["sep"] if kept["header"] else kept["scheme"] or kept["session"] or kept["named"] or ""
    return lead + BLANK
