"""What an access token must say to be taken: the claim rules of RFC 9068, and what an issuer is trusted to say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from codingbrain.clock import SECOND, Micros
from codingbrain.identity.grants import Grant
from codingbrain.identity.grants import parse as parse_grant
from codingbrain.identity.roles import Role
from codingbrain.identity.scopes import Scope, parse

MAX_TEXT: Final = 255
"""Characters of a claim that names somebody or something."""

_TYPE: Final = re.compile(r"(?i:application/)?(?i:at\+jwt)", re.ASCII)
_JKT: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)
_LAST: Final = 253_402_300_800
"""The year 10000, in seconds; later times are mistakes."""

_ROLES: Final = {role.value: role for role in Role}


class ClaimError(Exception):
    """A token breaks a rule; the message names the rule and quotes nothing of the token."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says of its bearer.

    `org` is the UUID of an org, as text, if the token is `local`, that is signed here, else the name of an org.
    `expires_at` is when the token is taken no more, leeway included. `jkt` is the RFC 7638 thumbprint of the key that
    the token is bound to. `roles` is `None` where the issuer does not say what its subjects are.
    """

    issuer: str
    subject: str
    org: str
    client: str
    scopes: frozenset[Scope]
    jti: str
    issued_at: Micros
    expires_at: Micros
    jkt: str | None
    roles: frozenset[Role] | None
    grants: frozenset[Grant]
    local: bool


@dataclass(frozen=True, slots=True)
class Trust:
    """What one issuer is trusted to say.

    Its tokens belong to `org`, or to the one of `orgs` that the claim `org_claim` names. This install itself, which
    is `local`, may name any org by its id. `leeway` is how far its clock may be off.
    """

    issuer: str
    audiences: frozenset[str]
    leeway: Micros
    org: str | None = None
    org_claim: str | None = None
    orgs: frozenset[str] = frozenset()
    roles_claim: str | None = None
    grants_claim: str | None = None
    local: bool = False


def check_type(header: Mapping[str, Any]) -> None:
    """An ID token or any other JWT of the same issuer is no access token (RFC 9068, section 4).

    Raises:
        ClaimError: the header does not say `at+jwt`.
    """
    kind = header.get("typ")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise ClaimError("typ is not at+jwt")


def read(payload: Mapping[str, Any], trust: Trust, now: Micros) -> Claims:
    """The claims of a token whose signature holds.

    Raises:
        ClaimError: one is missing, malformed, or not true here and now.
    """
    if _text(payload, "iss") != trust.issuer:
        raise ClaimError("iss is another")
    _check_audience(payload.get("aud"), trust.audiences)
    issued_at, expires_at = _times(payload, trust, now)
    return Claims(
        trust.issuer,
        _text(payload, "sub"),
        _org(payload, trust),
        _text(payload, "client_id"),
        _scopes(payload.get("scope", "")),
        _text(payload, "jti"),
        issued_at,
        expires_at,
        _bound(payload),
        _roles(payload, trust),
        _grants(payload, trust),
        trust.local,
    )


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    # What cannot be printed, lone surrogates among it, can neither be stored nor shown.
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise ClaimError(f"{name} is missing or no text of 1 to {MAX_TEXT} printable characters")
    return value


def _check_audience(value: object, accepted: frozenset[str]) -> None:
    if not accepted.intersection([value] if isinstance(value, str) else _words(value)):
        raise ClaimError("aud is missing, or another")


def _times(payload: Mapping[str, Any], trust: Trust, now: Micros) -> tuple[Micros, Micros]:
    issued_at, expires_at = _time(payload, "iat"), _time(payload, "exp")
    # Both ends of a local token's life are read from one clock; only another replica's may be ahead.
    ends_at = expires_at + (0 if trust.local else trust.leeway)
    if now >= ends_at:
        raise ClaimError("exp is past")
    if issued_at > now + trust.leeway:
        raise ClaimError("iat is in the future")
    if "nbf" in payload and _time(payload, "nbf") > now + trust.leeway:
        raise ClaimError("nbf is in the future")
    return issued_at, ends_at


def _time(payload: Mapping[str, Any], name: str) -> Micros:
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LAST:
        raise ClaimError(f"{name} is missing or no time")
    return value * SECOND if isinstance(value, int) else round(value * SECOND)


def _org(payload: Mapping[str, Any], trust: Trust) -> str:
    if trust.org is not None:
        return trust.org
    named = _text(payload, trust.org_claim or "org")
    if trust.local:
        for value in (named, _text(payload, "sub"), _text(payload, "jti")):
            _check_id(value)
    elif named not in trust.orgs:
        raise ClaimError("the org is not one that this issuer speaks for")
    return named


def _check_id(value: str) -> None:
    try:
        canonical = str(UUID(value))
    except ValueError:
        canonical = None
    if canonical != value:
        raise ClaimError("org, sub or jti of a local token is no id")


def _scopes(value: object) -> frozenset[Scope]:
    if not isinstance(value, str):
        raise ClaimError("scope is no text")
    return parse(value)


def _bound(payload: Mapping[str, Any]) -> str | None:
    """The key of `cnf` (RFC 7800); a token that is bound in a way that is not checked here is not taken as unbound."""
    if "cnf" not in payload:
        return None
    match payload["cnf"]:
        case {"jkt": str(jkt), **others} if not others and _JKT.fullmatch(jkt):
            return jkt
        case _:
            raise ClaimError("cnf is not a jkt alone")


def _roles(payload: Mapping[str, Any], trust: Trust) -> frozenset[Role] | None:
    """`None` leaves it to the user's own role: nothing is configured, or the token does not speak of roles."""
    if trust.roles_claim is None or trust.roles_claim not in payload:
        return None
    return frozenset(_ROLES[name] for name in _words(payload.get(trust.roles_claim)) if name in _ROLES)


def _grants(payload: Mapping[str, Any], trust: Trust) -> frozenset[Grant]:
    if trust.grants_claim is None:
        return frozenset()
    parsed = (parse_grant(name) for name in _words(payload.get(trust.grants_claim)))
    return frozenset(grant for grant in parsed if grant is not None)


def _words(value: object) -> list[str]:
    """The strings of a list; anything else is none."""
    elements = cast("list[object]", value) if isinstance(value, list) else []
    return [each for each in elements if isinstance(each, str)]
