"""Errors between processes."""

import pytest

from codingbrain.errors import CodingbrainError, ConfigurationError, InternalError, SchemaNewerError, StorageFullError
from codingbrain.host import wire


@pytest.mark.parametrize(
    "error", [SchemaNewerError("upgrade"), StorageFullError("full; make room"), InternalError("x")]
)
def test_an_error_keeps_its_code_and_sentence(error: CodingbrainError) -> None:
    told = wire.failure(wire.decode(wire.encode({"error": wire.fault(error)}))["error"])
    assert (told.code, told.message, told.retryable) == (error.code, error.message, error.retryable)


def test_faults_of_settings_stay_apart() -> None:
    told = wire.failure(wire.fault(ConfigurationError(["port: is no number", "host: a; b"])))
    assert isinstance(told, ConfigurationError)
    assert told.faults == ["port: is no number", "host: a; b"]


@pytest.mark.parametrize("told", [None, [], {}, {"code": "x"}, {"code": 1, "message": 2}])
def test_what_is_no_error_is_an_internal_one(told: object) -> None:
    assert wire.failure(told).code == "internal"


def test_a_code_of_another_release_keeps_its_sentence() -> None:
    told = wire.failure({"code": "new_kind", "message": "do that"})
    assert (told.code, told.message) == ("internal", "do that")


@pytest.mark.parametrize("line", [b"", b"[]", b"x", b"\xff"])
def test_a_malformed_line_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire.decode(line)
