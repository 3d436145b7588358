"""The wheel holds what it should and works where nothing else is installed."""

import stat
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.program import Program
from tests.smoke.recall import connected, remember_and_recall

EMBEDDED = 400 * 1024 * 1024
"""Bytes that an embedded install may take, pip left out."""

PACKAGES = {"codingbrain", "codingbrain_tools", "codingbrain_admin", "codingbrain_migrations"}


def test_the_wheel_brings_only_names_of_its_own(wheel: Path) -> None:
    top = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES


def test_the_wheel_brings_the_model_and_the_migrations(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("/granite.onnx") for name in names)
    assert any(name.startswith("codingbrain_migrations/versions/0001") for name in names)
    assert "codingbrain_migrations/env.py" in names


def test_an_embedded_install_stays_small(
    environment: Path, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    files = (path for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files if not {"pip", "setuptools"} & set(path.parts))
    record_property("installed_bytes", size)
    with capsys.disabled():
        print(f"[{size / 1_000_000:.0f} MB installed]", end=" ")
    assert size < EMBEDDED


@pytest.mark.anyio
@pytest.mark.proves("RUN-11")
async def test_the_wheel_serves_http(installation: Program) -> None:
    async with installation.serving(), connected(installation) as client:
        await remember_and_recall(client)


@pytest.mark.anyio
@pytest.mark.proves("RUN-11")
async def test_the_wheel_speaks_stdio(installation: Program) -> None:
    async with installation.client() as client:
        await remember_and_recall(client)


@pytest.mark.anyio
@pytest.mark.proves("RUN-11")
async def test_uvx_runs_the_wheel(uvx: Program) -> None:
    async with uvx.client() as client:
        await remember_and_recall(client)


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX")
@pytest.mark.proves("RUN-11")
async def test_what_the_wheel_stores_is_private(installation: Program) -> None:
    async with installation.serving(), connected(installation) as client:
        await remember_and_recall(client)
        kept = (installation.data, *installation.data.rglob("*"))
        open_to_others = {str(path): oct(mode(path)) for path in kept if mode(path) & 0o077}
    assert open_to_others == {}


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.lstat().st_mode)
