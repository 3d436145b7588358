"""Logs: one line per event, without secrets, at a level that can change."""

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from loguru import logger
from pydantic import BaseModel, ValidationError

from codingbrain.errors import ConfigurationError
from codingbrain.identity import principal
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.telemetry import context
from codingbrain.telemetry.logs import Format, Level, Logs, hashed, open_logs
from codingbrain.telemetry.redaction import BLANK, redact

CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", EVERYTHING)
SESSION = "0123456789abcdef" * 2


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_object() -> None:
    out = io.StringIO()
    request, tool, caller = context.request_id.set("r1"), context.tool.set("search"), principal.current.set(CALLER)
    with open_logs("INFO", "json", out=out):
        logger.info("first\nsecond {}", "ü")
        logger.debug("not shown")
    context.request_id.reset(request)
    context.tool.reset(tool)
    principal.current.reset(caller)
    (line,) = lines(out)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "message": "first\nsecond ü",
        "logger": __name__,
        "request_id": "r1",
        "tool": "search",
        "org": hashed(CALLER.org),
        "principal": hashed(CALLER.user),
    }
    assert str(CALLER.org) not in out.getvalue()


def test_text_is_for_people() -> None:
    out = io.StringIO()
    with open_logs("INFO", "text", out=out):
        logger.bind(tool="search").warning("slow")
        try:
            int("Bearer abcdefgh1234")
        except ValueError:
            logger.exception("broke")
    first, second, *rest = out.getvalue().splitlines()
    assert first.endswith(f"WARNING {__name__}: slow tool=search")
    assert second.endswith("broke")
    assert rest[-1] == f"ValueError: invalid literal for int() with base 10: 'Bearer {BLANK}'"


def test_the_level_changes_while_it_runs() -> None:
    out = io.StringIO()
    with open_logs("INFO", "json", out=out) as logs:
        logger.debug("one")
        logs.set_level("DEBUG")
        logger.debug("two")
        logs.set_level("ERROR")
        logger.warning("three")
        logging.getLogger("uvicorn.error").warning("four")
        assert logs.level == "ERROR"
    assert [line["message"] for line in lines(out)] == ["two"]


@pytest.mark.parametrize("level", ["TRACE", "INFO"])
def test_libraries_speak_from_warning_on(level: Level) -> None:
    out = io.StringIO()
    with open_logs(level, "json", out=out):
        logging.getLogger("mcp.server.sse").debug("Received JSON: secret body")
        logging.getLogger("mcp.server.streamable_http_manager").info("Created new transport")
        logging.getLogger("sqlalchemy.engine.Engine").info("SELECT ? [secret parameter]")
        logging.getLogger("uvicorn.error").info("Started server process")
        logging.getLogger("other").warning("careful %s", "now")
    assert [(line["logger"], line["message"]) for line in lines(out)] == [
        ("uvicorn.error", "Started server process"),
        ("other", "careful now"),
    ]


def test_an_exception_of_the_sdk_is_logged_without_its_words() -> None:
    class Model(BaseModel):
        number: int

    out, said = io.StringIO(), "word " * 3
    with open_logs("INFO", "json", out=out):
        try:
            Model.model_validate({"number": said})
        except ValidationError:
            logging.getLogger("mcp.server.runner").exception("handler returned an invalid result")
    (line,) = lines(out)
    assert said not in out.getvalue()
    assert line["exception"].endswith("ValidationError")
    assert "bodied" not in line


def test_warnings_are_events() -> None:
    out = io.StringIO()
    shown = warnings.showwarning
    with open_logs("INFO", "json", out=out), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert [line["logger"] for line in lines(out)] == ["py.warnings"]
    assert warnings.showwarning is shown


def test_everything_is_given_back() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    with open_logs("DEBUG", "json", out=io.StringIO()):
        assert len(root.handlers) == 1
    assert (root.handlers[:], root.level) == before


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc.def-ghi1", "abc.def-ghi1"),
        ("[(b'authorization', b'Bearer abcdefgh')]", "abcdefgh"),
        ('{"Authorization": "DPoP abcdefgh"}', "abcdefgh"),
        ("'dpop': 'eyJ0.eyJq.c2ln'", "eyJ0"),
        ("token cbr_AbC-_9.s3cr-et expired", "s3cr-et"),
        ("sent bearer abcdefgh1 to us", "abcdefgh1"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        (f"POST /messages/?session_id={SESSION}", SESSION),
        (f"Created new transport with session ID: {SESSION}", SESSION),
        (f"Session {SESSION} crashed", SESSION),
        (f"mcp-session-id: {SESSION}", SESSION),
        ("client_secret=hunter2&x=1", "hunter2"),
        ('"refresh_token": "hunter2"', "hunter2"),
        ("Set-Cookie: sid=hunter2", "hunter2"),
    ],
)
def test_secrets_are_blanked(text: str, secret: str) -> None:
    out = io.StringIO()
    with open_logs("INFO", "json", out=out):
        logger.bind(field=text).info(text)
    assert secret not in out.getvalue()
    assert BLANK in redact(text)


@pytest.mark.parametrize(
    "text", ["the authorization server is down", "bearer of good news", "basic things", "the session ended", "3 tokens"]
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """An OTLP/HTTP endpoint, and what was posted to it."""
    posted: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", posted
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_events_leave_by_otlp_only_when_told(collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    endpoint, posted = collector
    with open_logs("INFO", "json", out=io.StringIO()):
        logger.info("stays here")
    with open_logs("INFO", "json", otlp_endpoint=endpoint, version="1.2.3", out=io.StringIO()):
        logger.info("leaves with Authorization: Bearer abcdefgh1")
    ((path, body),) = posted
    assert path == "/v1/logs"
    assert b"leaves with" in body
    assert b"1.2.3" in body
    assert b"abcdefgh1" not in body
    assert b"stays here" not in body


def test_without_an_endpoint_no_exporter_is_loaded() -> None:
    code = (
        "import sys; from codingbrain.telemetry.logs import open_logs\n"
        "with open_logs('INFO', 'json'): pass\n"
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_missing_extra_is_a_fault_of_the_settings() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk'] = None\n"
        "from codingbrain.telemetry.logs import open_logs\n"
        "with open_logs('INFO', 'json', otlp_endpoint='http://127.0.0.1:1'): pass\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], timeout=60, check=False, capture_output=True, text=True)
    assert f"{ConfigurationError.__name__}: otlp_endpoint:" in ended.stderr
    assert "codingbrain[otlp]" in ended.stderr


def test_formats_and_levels_are_those_of_the_settings() -> None:
    for form in ("json", "text"):
        wanted: Format = form  # type: ignore[assignment]
        with open_logs("WARNING", wanted, out=io.StringIO()) as logs:
            assert isinstance(logs, Logs)
