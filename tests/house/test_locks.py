"""The dependency locks are complete, hashed, and agree with each other and with `pyproject.toml`."""

import json
import tomllib
from pathlib import PurePosixPath
from typing import Any

import pytest

from tests.faults import none
from tests.house.locks import Pin, differing, missing, pins, unhashed, unsealed
from tests.house.sources import ROOT, tracked

RUNTIME = "requirements.lock"
BUILD = "requirements-build.lock"
DEV = "requirements-dev.lock"


def locked(name: str) -> list[Pin]:
    """The entries of a lock."""
    return pins((ROOT / "docker" / name).read_text("utf-8"))


def wanted(name: str) -> list[str]:
    """What `pyproject.toml` asks of a lock."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    runtime: list[str] = project["project"]["dependencies"]
    build: list[str] = project["build-system"]["requires"]
    groups: dict[str, list[Any]] = project["dependency-groups"]
    otlp: list[str] = project["project"]["optional-dependencies"]["otlp"]
    dev = [each for each in groups["dev"] if isinstance(each, str)]
    return {RUNTIME: runtime, BUILD: build, DEV: [*runtime, *build, *otlp, *dev]}[name]


@pytest.mark.parametrize("name", [RUNTIME, BUILD, DEV])
def test_every_entry_is_hashed(name: str) -> None:
    none(unhashed(locked(name)))


@pytest.mark.parametrize("name", [RUNTIME, BUILD, DEV])
def test_every_dependency_is_locked(name: str) -> None:
    none(missing(wanted(name), locked(name)))


@pytest.mark.parametrize("name", [RUNTIME, BUILD])
def test_development_runs_what_users_run(name: str) -> None:
    none(differing(locked(name), locked(DEV)))


def test_a_build_needs_only_what_is_locked_for_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["dependency-groups"]["build"] == project["build-system"]["requires"]


@pytest.mark.parametrize("path", [path for path in tracked() if path.name == "package-lock.json"], ids=str)
def test_npm_packages_are_hashed_and_have_no_address(path: PurePosixPath) -> None:
    none(unsealed(json.loads((ROOT / path).read_text("utf-8"))["packages"]))


HASH = f"    --hash=sha256:{'0' * 64}"


def test_a_lock_is_read() -> None:
    text = f"numpy==2.4.6 ; python_full_version < '3.12' \\\n{HASH} \\\n{HASH}\n    # via x\nSome_Name==1.0\n"
    assert pins(text) == [Pin("numpy", "2.4.6", "python_full_version < '3.12'", 2), Pin("some-name", "1.0", "", 0)]


@pytest.mark.parametrize(
    "line", ["--index-url https://example.org/simple", "x @ https://example.org/x.whl", "x>=1", HASH]
)
def test_what_is_not_an_entry_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a locked entry"):
        pins(line)


def test_faults_of_locks_are_found() -> None:
    old = Pin("mcp", "2.2.0", "", 1)
    assert list(unhashed([Pin("mcp", "2.3.0", "", 0)]))
    assert list(missing(["mcp>=2.3", "loguru"], [old]))
    assert list(differing([old], [Pin("mcp", "2.3.0", "", 1)]))
    assert len(list(unsealed({"": {}, "node_modules/a": {"resolved": "https://example.org/a.tgz"}}))) == 2
