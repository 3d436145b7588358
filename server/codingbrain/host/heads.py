"""HTTP/1.1 as uvicorn speaks it, with bounds for what comes before a body: its parser, httptools, has none."""

from http import HTTPStatus
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from codingbrain.toolkit.replies import refusal

LONGEST: Final = 64 * 1024
"""Bytes of a request line with its headers; what is over it by less than one read of the socket may pass."""

_TOLD: Final = {
    HTTPStatus.BAD_REQUEST: ("invalid_request", "This is not HTTP/1.1."),
    HTTPStatus.REQUEST_TIMEOUT: ("request_timeout", "The request took too long to arrive."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        "headers_too_large",
        f"A request may have {LONGEST} bytes of headers.",
    ),
}


class Heads(HttpToolsProtocol):
    """One connection. A head that arrives in one piece costs nothing extra.

    Others arrive within `seconds` of their first bytes, and the first one of its connection.
    """

    seconds: ClassVar = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as uvicorn calls it
        super().__init__(*args, **kwargs)
        self._length = 0
        self._in_head = False
        self._deadline: Any = None

    def connection_made(self, transport: Any) -> None:  # type: ignore[override]  # noqa: ANN401 - as asyncio calls it
        """Wait for the first head."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.seconds, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is waited for."""
        self._settle()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; if a head has begun and not ended with it, count it and watch the clock."""
        super().data_received(data)
        if not self._in_head:
            return
        self._length += len(data)
        if self._length > LONGEST:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.seconds, self._expire)

    def on_message_begin(self) -> None:
        """A head has begun."""
        self._in_head = True
        self._length = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It has ended."""
        self._in_head = False
        self._settle()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is refused like everything else."""
        del msg
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why and hang up; in the middle of another answer only the latter."""
        self._settle()
        self._in_head = False
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]
            code, words = _TOLD[status]
            reply = refusal(status, words, code=code, headers={"Connection": "close"})
            head = b"".join(b"%s: %s\r\n" % field for field in reply.raw_headers)
            self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, status.phrase.encode(), head, reply.body))
        self.transport.close()
