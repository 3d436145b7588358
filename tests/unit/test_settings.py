"""The settings model: what is refused, and in how many lines."""

from pathlib import Path

import pytest

from codingbrain import settings
from codingbrain.directory import default_data_dir
from codingbrain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})


def _faults(data_dir: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for key, value in env.items():
        monkeypatch.setitem(settings.os.environ, key, value)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as caught:
        settings.load({"data_dir": data_dir})
    return caught.value.faults


def test_flags_beat_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("port = 1\nlog_level = 'DEBUG'\nidle_seconds = 5\n")
    monkeypatch.setitem(settings.os.environ, "CODINGBRAIN_PORT", "2")  # type: ignore[arg-type]
    monkeypatch.setitem(settings.os.environ, "CODINGBRAIN_LOG_LEVEL", "ERROR")  # type: ignore[arg-type]
    loaded = settings.load({"data_dir": tmp_path, "port": 3})
    assert (loaded.port, loaded.log_level, loaded.idle_seconds) == (3, "ERROR", 5)


def test_every_fault_has_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"CODINGBRAIN_PRT": "1", "CODINGBRAIN_PORT": "x", "CODINGBRAIN_HOST": "somewhere"}
    faults = _faults(tmp_path, env, monkeypatch)
    assert len(faults) == 3
    assert faults[0] == "CODINGBRAIN_PRT: unknown setting"
    assert "host: 'somewhere' is not an IP address" in faults


OPEN = {"CODINGBRAIN_HOST": "0.0.0.0"}  # noqa: S104 - what is refused
PLAIN = {"CODINGBRAIN_PUBLIC_URL": "http://memory.example"}


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (OPEN, ["host", "public_url"]),
        (OPEN | PLAIN, ["host", "public_url"]),
        (OPEN | PLAIN | {"CODINGBRAIN_ALLOW_OPEN_BIND": "1"}, ["public_url"]),
        (PLAIN, ["public_url"]),
        ({"CODINGBRAIN_CORS_ORIGINS": '["https://app.example/x"]'}, ["cors_origins.0"]),
        ({"CODINGBRAIN_RATE_USER": "5 per day"}, ["rate_user"]),
    ],
)
def test_what_would_show_tokens_to_others_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], said: list[str]
) -> None:
    assert [fault.split(":")[0] for fault in _faults(tmp_path, env, monkeypatch)] == said


ISSUER = '{"url": "https://login.example", "jwks_url": "https://login.example/jwks", "org": "acme"}'


@pytest.mark.parametrize(
    ("issuers", "said"),
    [
        ('[{"url": "https://login.example"}]', "issuers.0.jwks_url: Field required"),
        (f'[{ISSUER[:-1]}, "org_claim": "tenant"}}]', "issuers.0: give either org, or org_claim together with"),
        (f"[{ISSUER.replace('jwks_url', 'key')}]", "issuers.0.jwks_url: Field required"),
        (
            f"[{ISSUER.replace('https://login.example/jwks', 'http://login.example/jwks')}]",
            "issuers.0.jwks_url: 'http:",
        ),
        (f"[{ISSUER}, {ISSUER}]", "issuers: https://login.example is there twice"),
    ],
)
def test_an_identity_provider_is_described_well_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuers: str, said: str
) -> None:
    assert _faults(tmp_path, {"CODINGBRAIN_ISSUERS": issuers}, monkeypatch)[0].startswith(said)


@pytest.mark.parametrize("text", ["nope = 1", "port = = 1"])
def test_the_file_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    assert len(_faults(tmp_path, {}, monkeypatch)) == 1


def test_production_refuses_unsafe_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = _faults(tmp_path, {"CODINGBRAIN_PROFILE": "production"}, monkeypatch)
    assert [fault.split(":")[0] for fault in faults] == ["record_url", "public_url", "behind_proxy"]
    told = {"allow_sqlite": True, "public_url": "https://memory.example", "behind_proxy": True}
    assert settings.load({"data_dir": tmp_path, **told}).profile == "production"


@pytest.mark.parametrize(
    ("platform", "env", "expected"),
    [
        ("linux", {"HOME": "/h"}, "/h/.local/share/codingbrain"),
        ("linux", {"HOME": "/h", "XDG_DATA_HOME": "/x"}, "/x/codingbrain"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Application Support/codingbrain"),
        ("win32", {"USERPROFILE": "/h", "LOCALAPPDATA": "/l"}, "/l/codingbrain"),
        ("linux", {"CODINGBRAIN_DATA_DIR": "/d"}, "/d"),
    ],
)
def test_each_platform_has_its_data_directory(platform: str, env: dict[str, str], expected: str) -> None:
    assert default_data_dir(env, platform) == Path(expected)


def test_the_readme_shows_all_settings() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert settings.table() in readme
