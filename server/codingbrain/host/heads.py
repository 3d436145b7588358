"""HTTP/1.1 as uvicorn speaks it, with bounds for all that is no body: its parser, httptools, has none."""

from http import HTTPStatus
from typing import Any, ClassVar, Final, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from codingbrain.toolkit.replies import refusal

LONGEST: Final = 64 * 1024
"""Bytes of a request line with its headers, or of trailers; what is over it by less than one read may pass."""

_LINGER: Final = 2 * 1024 * 1024
"""Bytes that are read and dropped behind a refusal; closing before they are read would take it from the client."""

_TOLD: Final = {
    HTTPStatus.BAD_REQUEST: ("invalid_request", "This is not HTTP/1.1."),
    HTTPStatus.REQUEST_TIMEOUT: ("request_timeout", "The request took too long to arrive."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        "headers_too_large",
        f"A request may have {LONGEST} bytes of headers.",
    ),
}


class Heads(HttpToolsProtocol):
    """One connection. A request that arrives in one piece costs nothing extra.

    While no request is served, what has begun to arrive ends within `seconds`, however many bytes keep coming. The time
    of a request that is served is its application's.
    """

    seconds: ClassVar = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as uvicorn calls it
        super().__init__(*args, **kwargs)
        self._part: Literal["none", "head", "rest"] = "none"
        self._length = 0
        self._advanced = False
        self._deaf = False
        self._deadline: Any = None

    def connection_made(self, transport: Any) -> None:  # type: ignore[override]  # noqa: ANN401 - as asyncio calls it
        """Wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is waited for."""
        self._settle()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, count what brings a request no further, and watch the clock unless one is served.

        In the place of uvicorn's own, which logs a line for everything that it does not like.
        """
        if self._deaf:
            self._length += len(data)
            if self._length > _LINGER:
                self.transport.close()
            return
        self._unset_keepalive_if_required()
        self._advanced = False
        try:
            self.parser.feed_data(data)  # pyright: ignore[reportOptionalMemberAccess] - no data comes after the end
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        except httptools.HttpParserUpgrade:
            # The parser takes what follows for the other protocol, a body too: where another request begins is unknown.
            self._deaf = True
            self.cycle.keep_alive = False
        self._length = 0 if self._advanced else self._length + len(data)
        if self._length > LONGEST:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self._watch()

    def on_message_begin(self) -> None:
        """A head has begun."""
        self._part = "head"
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers come here too; they are no headers and are dropped (RFC 9110 section 6.5.1)."""
        if self._part == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head has ended, and the request is served."""
        super().on_headers_complete()
        self._part = "rest"
        self._advanced = True
        self._settle()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._advanced = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Nothing of the request is missing."""
        self._part = "none"
        self._advanced = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """If a request has not arrived in full, its rest or the next head, the time for it begins."""
        super().on_response_complete()
        if self._part != "none":
            self._watch()

    @property
    def _serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _watch(self) -> None:
        """The time runs from the first call; more bytes give no more of it."""
        if self._deadline is None and not self._serving and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.seconds, self._expire)

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        if self._part == "head":
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why and hang up (RFC 9112 section 9.6); amid another answer or after its own, the latter."""
        if self.transport.is_closing() or self._deaf:
            return
        self._settle()
        if self._part == "rest" or self._serving:
            self.transport.close()
        else:
            code, words = _TOLD[status]
            reply = refusal(status, words, code=code, headers={"Connection": "close"})
            head = b"".join(b"%s: %s\r\n" % field for field in reply.raw_headers)
            self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, status.phrase.encode(), head, reply.body))
            self._deaf = True
            self.transport.write_eof()
            self._deadline = self.loop.call_later(self.seconds, self.transport.close)
