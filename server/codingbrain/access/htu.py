"""For which URL a DPoP proof was made: `htu` against this server's address (RFC 9449, section 4.3, check 9)."""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_PLAIN: Final = re.compile(r"[A-Za-z0-9/_~-]*")
_DOTS: Final = frozenset({".", ".."})


class Place:
    """The server at an origin, whatever the Host header of a request says.

    Raises:
        ValueError: the origin is none.
    """

    def __init__(self, origin: str) -> None:
        self.origin: Final = normal(origin).removesuffix("/")

    def fits(self, htu: str, path: str) -> bool:
        """Whether `htu` names `path` here; `path` is decoded, as ASGI and routes have it.

        Both are normalised as section 6.2.2 and 6.2.3 of RFC 3986 say, but dots in `path` count as they are: no route
        reads them otherwise.
        """
        expected = f"{self.origin}{path}"
        if htu == expected and _PLAIN.fullmatch(path):
            return True
        try:
            return normal(htu) == expected
        except ValueError:
            return False


def normal(url: str) -> str:
    """The one form of an http URL, without query and fragment, its path decoded.

    Raises:
        ValueError: it is none.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(url)
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError(url)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{_path(parts.path)}"


def _path(encoded: str) -> str:
    """RFC 3986, section 5.2.4, after decoding."""
    kept: list[str] = []
    segments = [unquote(segment, errors="strict") for segment in encoded.split("/")[1:]] or [""]
    for segment in segments:
        if segment not in _DOTS:
            kept.append(segment)
        elif segment == ".." and kept:
            kept.pop()
    if segments[-1] in _DOTS:
        kept.append("")
    return f"/{'/'.join(kept)}"
