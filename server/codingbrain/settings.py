"""The one settings model of server, command line and host.

Sources, strongest first: command-line flags, `CODINGBRAIN_*` environment variables, `config.toml` in the data
directory. Anything unknown or malformed stops the start with one line per fault.
"""

import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from codingbrain.directory import default_data_dir
from codingbrain.errors import ConfigurationError

PREFIX = "CODINGBRAIN_"
CONFIG_FILE = "config.toml"


def _loopback(host: str) -> str:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        message = f"{host!r} is not a loopback address; this release serves loopback only"
        raise ValueError(message)
    return host


def _scheme(*known: str) -> AfterValidator:
    def check(url: str) -> str:
        scheme, colon, rest = url.partition(":")
        if scheme not in known or not colon:
            message = f"{url!r} must start with one of: {', '.join(f'{scheme}:' for scheme in known)}"
            raise ValueError(message)
        if rest and scheme != "granite":
            message = f"{url!r} may have nothing after the colon; this engine lives in the data directory"
            raise ValueError(message)
        return url

    return AfterValidator(check)


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        message = f"{url!r} is not an origin such as https://memory.example"
        raise ValueError(message)
    return url


Weight = Annotated[float, Field(ge=0.0, le=10.0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, validate_default=False
    )

    profile: Literal["local", "production"] = Field("local", description="`production` refuses unsafe settings.")
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Where the embedded stores, keys and the local socket live."
    )
    host: Annotated[str, AfterValidator(_loopback)] = Field("127.0.0.1", description="Address that `serve` binds.")
    port: int = Field(8765, ge=0, le=65_535, description="Port that `serve` binds; 0 lets the system choose.")
    public_url: Annotated[str, AfterValidator(_origin)] | None = Field(
        None, pattern=r"^https?://[^/?#]+$", description="Origin that clients use, if it differs from host and port."
    )
    behind_proxy: bool = Field(default=False, description="A TLS-terminating proxy on this machine forwards requests.")
    allow_sqlite: bool = Field(default=False, description="Let the `production` profile use SQLite.")
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object per line, or text for people.")
    otlp_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="OTLP/HTTP collector for logs; unset sends nothing anywhere."
    )
    idle_seconds: float = Field(
        60.0, gt=0, le=86_400, description="A host started by a stdio client ends this long after its last client."
    )
    max_body_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="Largest request body or stdio line."
    )
    max_sessions: int = Field(256, ge=1, le=10_000, description="Most concurrent stateful HTTP sessions.")
    list_all_tools: bool = Field(default=False, description="List tools that the caller's scopes do not allow, too.")
    record_url: Annotated[str, _scheme("sqlite")] = Field("sqlite:", description="The record.")
    lexical_url: Annotated[str, _scheme("fts5")] = Field("fts5:", description="The lexical index.")
    vectors_url: Annotated[str, _scheme("exact")] = Field("exact:", description="The vector index.")
    embedder_url: Annotated[str, _scheme("granite", "none")] = Field(
        "granite:", description="The embedding model; `none:` runs without the vector lane."
    )
    embedder_threads: int = Field(1, ge=1, le=64, description="Threads of one embedding; more do not make it cheaper.")
    fusion: Literal["score", "rank"] = Field(
        "score", description="Fuse lanes by min-max scores or by reciprocal ranks."
    )
    weight_lexical: Weight = Field(1.0, description="Weight of the lexical lane.")
    weight_vector: Weight = Field(1.0, description="Weight of the vector lane.")
    weight_recency: Weight = Field(0.05, description="Weight of the recency lane.")
    recency_half_life_days: float = Field(45.0, gt=0, le=36_500, description="Age at which recency counts half.")
    candidates: int = Field(100, ge=10, le=1_000, description="Objects that each lane contributes to fusion.")
    lane_timeout_seconds: float = Field(5.0, gt=0, le=60, description="Time that a search waits for one lane.")
    deleted_days: int = Field(30, ge=1, le=3_650, description="Days for which a deleted memory can be restored.")
    queue_limit: int = Field(
        100_000, ge=100, le=10_000_000, description="Waiting index entries above which writes are refused."
    )

    @model_validator(mode="after")
    def _production_is_safe(self) -> Self:
        if self.profile == "production" and (faults := list(self._unsafe())):
            raise ValueError("\n".join(faults))
        return self

    def _unsafe(self) -> Iterator[str]:
        if self.record_url.startswith("sqlite:") and not self.allow_sqlite:
            yield "record_url: the production profile refuses SQLite; set allow_sqlite=true to insist"
        if not (self.public_url or "").startswith("https://"):
            yield "public_url: the production profile needs the https:// origin that clients use"
        if not self.behind_proxy:
            yield "behind_proxy: the production profile needs a TLS-terminating proxy; set behind_proxy=true"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the data directory's file; no `.env` and no secrets folder."""
        del dotenv_settings, file_secret_settings
        chosen = init_settings().get("data_dir") or env_settings().get("data_dir") or default_data_dir()
        path = Path(str(chosen)).expanduser() / CONFIG_FILE
        if path.exists() and not path.is_file():
            message = "is not a file"
            raise ValueError(message)
        file = TomlConfigSettingsSource(settings_cls, path)
        return init_settings, env_settings, file


def load(flags: Mapping[str, object]) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: with one line per fault.
    """
    faults = [f"{key}: unknown setting" for key in sorted(_unknown(os.environ))]
    try:
        settings = Settings(**flags)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        faults += [line for fault in error.errors() for line in _lines(fault["loc"], fault["msg"], fault["type"])]
        raise ConfigurationError(faults) from None
    except ValueError as error:
        raise ConfigurationError([*faults, f"{CONFIG_FILE}: {error}"]) from None
    if faults:
        raise ConfigurationError(faults)
    return settings


def _unknown(env: Mapping[str, str]) -> Iterator[str]:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    return (key for key in env if key.upper().startswith(PREFIX) and key.upper() not in known)


def _lines(loc: tuple[int | str, ...], message: str, kind: str) -> list[str]:
    name = ".".join(str(part) for part in loc)
    text = "unknown setting" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
    return [f"{name}: {line}" if name else line for line in text.splitlines()]


def table() -> str:
    """All settings as a Markdown table, in the order of the model."""
    rows = ["| environment variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "the platform's data folder" if name == "data_dir" else _shown(field.default)
        choices = " or ".join(f"`{value}`" for value in get_args(field.annotation) if isinstance(value, str))
        meaning = f"{field.description}{f' One of {choices}.' if choices else ''}"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {meaning} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    match default:
        case None:
            return "unset"
        case bool():
            return f"`{str(default).lower()}`"
        case _:
            return f"`{default}`"
