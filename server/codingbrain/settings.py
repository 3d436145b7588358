"""The one settings model of server, command line and host.

Sources, strongest first: command-line flags, `CODINGBRAIN_*` environment variables, `config.toml` in the data
directory. Anything unknown or malformed stops the start with one line per fault.
"""

import ipaddress
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from codingbrain.directory import default_data_dir
from codingbrain.errors import ConfigurationError

PREFIX = "CODINGBRAIN_"
CONFIG_FILE = "config.toml"

_RATE = re.compile(r"[1-9][0-9]{0,8}/([1-9][0-9]{0,3} )?(second|minute|hour|day)")
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if host != "localhost":
            message = f"{host!r} is not an IP address"
            raise ValueError(message) from None
    return host


def _fetchable(url: str) -> str:
    """Keys decide who may enter: they are fetched over TLS, or from this machine."""
    _origin(url)
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        message = f"{url!r} must start with https://, or be on the loopback interface"
        raise ValueError(message)
    return url


def _rate(text: str) -> str:
    if not _RATE.fullmatch(text):
        message = f"{text!r} is not a rate such as 100/second or 6000/minute"
        raise ValueError(message)
    return text


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


Algorithm = Literal["ES256", "EdDSA", "RS256"]
RoleName = Literal["owner", "admin", "developer", "reader", "operator", "auditor"]


class Issuer(BaseModel):
    """An identity provider whose access tokens (RFC 9068) are taken.

    `url` is the exact `iss`. Tokens belong to `org`, or to the one of `orgs` that the claim `org_claim` names.
    `roles_claim` and `grants_claim` name claims that hold lists of roles and of grants; where a token holds no such
    claim of roles, the user's own role here counts. A subject that is not known yet becomes a user with the role
    `new_users`; without that it is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=500)]
    jwks_url: Annotated[str, AfterValidator(_fetchable)]
    org: Name | None = None
    org_claim: Name | None = None
    orgs: tuple[Name, ...] = ()
    roles_claim: Name | None = None
    grants_claim: Name | None = None
    new_users: RoleName | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("ES256", "EdDSA", "RS256")

    @property
    def orgs_named(self) -> tuple[str, ...]:
        """The orgs that its tokens may belong to."""
        return self.orgs if self.org is None else (self.org,)

    @model_validator(mode="after")
    def _one_way_to_the_org(self) -> Self:
        if (self.org is None) == (self.org_claim is None) or bool(self.orgs) != bool(self.org_claim):
            message = "give either org, or org_claim together with the orgs that it may name"
            raise ValueError(message)
        return self


Rate = Annotated[str, StringConstraints(max_length=40), AfterValidator(_rate)]
WebOrigin = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#]+$"), AfterValidator(_origin)]
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
    host: Annotated[str, AfterValidator(_address)] = Field("127.0.0.1", description="Address that `serve` binds.")
    port: int = Field(8765, ge=0, le=65_535, description="Port that `serve` binds; 0 lets the system choose.")
    public_url: WebOrigin | None = Field(None, description="Origin that clients use, if it differs from host and port.")
    behind_proxy: bool = Field(default=False, description="A TLS-terminating proxy on this machine forwards requests.")
    allow_sqlite: bool = Field(default=False, description="Let the `production` profile use SQLite.")
    allow_open_bind: bool = Field(default=False, description="Let `serve` bind an address beyond this machine.")
    allow_plain_http: bool = Field(
        default=False, description="Let clients beyond this machine use http://, where tokens can be read on the way."
    )
    issuers: tuple[Issuer, ...] = Field((), description="Identity providers, as JSON; see the section on identity.")
    dpop: Literal["off", "bound", "required"] = Field(
        "bound", description="DPoP proofs: never taken, needed for tokens bound to a key, or needed always."
    )
    token_leeway_seconds: int = Field(30, ge=0, le=300, description="Difference of clocks that tokens may show.")
    jwks_seconds: int = Field(600, ge=10, le=86_400, description="Age at which an issuer's keys are fetched again.")
    jwks_stale_seconds: int = Field(
        86_400, ge=0, le=604_800, description="For so much longer they are used while the issuer cannot be reached."
    )
    cors_origins: tuple[WebOrigin, ...] = Field(
        (), description="Web origins whose pages may call this server, as a JSON array."
    )
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
    body_seconds: float = Field(10.0, gt=0, le=300, description="Time within which a request body must arrive.")
    max_sessions: int = Field(256, ge=1, le=10_000, description="Most concurrent stateful HTTP sessions.")
    max_user_sessions: int = Field(64, ge=1, le=10_000, description="Most of them for one user.")
    max_user_streams: int = Field(64, ge=1, le=10_000, description="Most open streams for one user.")
    rate_org_burst: Rate = Field("4000/second", description="Cost units of an org's calls: a cheap call is 1.")
    rate_org: Rate = Field("120000/minute", description="The same, sustained.")
    rate_user_burst: Rate = Field("2000/second", description="Cost units of a user's calls.")
    rate_user: Rate = Field("90000/minute", description="The same, sustained.")
    rate_tool_burst: Rate = Field("2000/second", description="Cost units of an org's calls of one tool or route.")
    rate_tool: Rate = Field("90000/minute", description="The same, sustained.")
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

    @property
    def origin(self) -> str:
        """The origin that clients use, if `port` is the one that is bound."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Whether nobody beyond this machine is meant to reach the server, not through a proxy either."""
        public = self.public_url is None or _is_loopback(urlsplit(self.public_url).hostname or "")
        return public and _is_loopback(self.host) and not self.behind_proxy

    @model_validator(mode="after")
    def _safe(self) -> Self:
        faults = [*self._exposed(), *(self._unsafe() if self.profile == "production" else ())]
        faults += [f"issuers: {url} is there twice" for url in _repeated(issuer.url for issuer in self.issuers)]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _exposed(self) -> Iterator[str]:
        if not _is_loopback(self.host):
            if not self.allow_open_bind:
                yield "host: is not a loopback address; set allow_open_bind=true to insist"
            if self.public_url is None:
                yield "public_url: an address beyond this machine needs the origin that clients use"
        public = urlsplit(self.public_url or "")
        if public.scheme == "http" and not _is_loopback(public.hostname or "") and not self.allow_plain_http:
            yield "public_url: http:// shows tokens to the network; set allow_plain_http=true to insist"

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


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


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
