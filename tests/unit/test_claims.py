"""Which claims are taken, and what is made of them."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codingbrain.clock import DAY, SECOND, Micros
from codingbrain.identity.claims import MAX_TEXT, ClaimError, Trust, check_type, read
from codingbrain.identity.grants import Grant, GrantKind
from codingbrain.identity.roles import Role
from codingbrain.identity.scopes import Scope

NOW: Final[Micros] = 20_000 * DAY
SECONDS: Final = NOW // SECOND
ISSUER: Final = "https://id.example"
ORIGIN: Final = "https://memory.example"
ID: Final = "00000000-0000-7000-8000-000000000001"

TRUST: Final = Trust(ISSUER, frozenset({ORIGIN, f"{ORIGIN}/"}), 30 * SECOND, org="acme")
LOCAL: Final = Trust("urn:uuid:x", frozenset({ORIGIN, "urn:uuid:x"}), 30 * SECOND, local=True)
GOOD: Final[dict[str, Any]] = {
    "iss": ISSUER,
    "aud": ORIGIN,
    "sub": "alice",
    "client_id": "editor",
    "jti": "1",
    "iat": SECONDS,
    "exp": SECONDS + 60,
    "scope": "memories:read search:read",
}
REQUIRED: Final = ("iss", "aud", "sub", "client_id", "jti", "iat", "exp")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def refused(payload: dict[str, Any], trust: Trust = TRUST, now: Micros = NOW) -> bool:
    try:
        read(payload, trust, now)
    except ClaimError:
        return True
    return False


def test_a_good_token_says_who_may_do_what() -> None:
    claims = read(GOOD, TRUST, NOW)
    assert (claims.issuer, claims.subject, claims.org, claims.client, claims.jti) == (
        ISSUER,
        "alice",
        "acme",
        "editor",
        "1",
    )
    assert claims.scopes == {Scope.MEMORIES_READ, Scope.SEARCH_READ}
    assert (claims.issued_at, claims.expires_at) == (NOW, NOW + 90 * SECOND)
    assert (claims.jkt, claims.roles, claims.grants, claims.local) == (None, None, frozenset(), False)


@pytest.mark.parametrize("name", REQUIRED)
def test_each_claim_of_rfc_9068_is_required(name: str) -> None:
    assert refused(without(name))
    assert refused({**GOOD, name: None})


@pytest.mark.parametrize("name", ["iss", "sub", "client_id", "jti"])
@pytest.mark.parametrize(
    "value", ["", 1, True, ["x"], {"x": 1}, "x" * (MAX_TEXT + 1), "a\nb", "a\0b", "\ud800", "\u202ea"]
)
def test_a_name_is_a_short_printable_text(name: str, value: object) -> None:
    assert refused({**GOOD, name: value})


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", ["60", True, False, [], {}, None, float("nan"), float("inf"), -float("inf"), -1, 10**400, 1e300]
)
def test_a_time_is_a_finite_number(name: str, value: object) -> None:
    assert refused({**GOOD, name: value})


@pytest.mark.parametrize(
    ("audience", "taken"),
    [
        (ORIGIN, True),
        (f"{ORIGIN}/", True),
        ([ORIGIN], True),
        (["https://other.example", ORIGIN], True),
        ([1, ORIGIN], True),
        ("https://other.example", False),
        (f"{ORIGIN}/mcp", False),
        (f"{ORIGIN}.evil.example", False),
        (ORIGIN.upper(), False),
        ([], False),
        ([[ORIGIN]], False),
        ({ORIGIN: 1}, False),
        ("", False),
        (1, False),
    ],
)
def test_the_audience_is_this_server(audience: object, *, taken: bool) -> None:
    assert refused({**GOOD, "aud": audience}) is not taken


def test_the_issuer_is_compared_as_it_is_spelled() -> None:
    for other in (f"{ISSUER}/", ISSUER.upper(), "https://other.example"):
        assert refused({**GOOD, "iss": other})


@pytest.mark.parametrize(
    ("claims", "offset", "taken"),
    [
        ({}, 59, True),
        ({}, 89.999999, True),
        ({}, 90, False),
        ({}, 10_000, False),
        ({}, -30, True),
        ({}, -30.000001, False),
        ({"nbf": SECONDS + 10}, 0, True),
        ({"nbf": SECONDS + 30}, 0, True),
        ({"nbf": SECONDS + 31}, 0, False),
        ({"exp": SECONDS + 0.5}, 30.4, True),
        ({"exp": SECONDS + 0.5}, 30.6, False),
    ],
)
def test_a_clock_may_be_off_by_the_leeway(claims: dict[str, Any], offset: float, *, taken: bool) -> None:
    assert refused({**GOOD, **claims}, now=NOW + round(offset * SECOND)) is not taken


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("", set()),
        ("memories:read", {Scope.MEMORIES_READ}),
        ("memories:read memories:read  openid", {Scope.MEMORIES_READ}),
        ("admin:* memories *", set()),
        ("MEMORIES:READ", set()),
    ],
)
def test_only_known_scopes_count(scope: str, scopes: set[Scope]) -> None:
    assert read({**GOOD, "scope": scope}, TRUST, NOW).scopes == scopes


def test_a_token_without_scope_allows_nothing() -> None:
    assert read(without("scope"), TRUST, NOW).scopes == frozenset()


@pytest.mark.parametrize("scope", [["memories:read"], None, 1, {}])
def test_a_scope_is_a_text(scope: object) -> None:
    assert refused({**GOOD, "scope": scope})


JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_a_token_may_be_bound_to_a_key() -> None:
    assert read({**GOOD, "cnf": {"jkt": JKT}}, TRUST, NOW).jkt == JKT


@pytest.mark.parametrize(
    "cnf",
    [
        None,
        {},
        [],
        "x",
        JKT,
        {"jkt": None},
        {"jkt": 1},
        {"jkt": ""},
        {"jkt": JKT[:-1]},
        {"jkt": f"{JKT}="},
        {"jkt": f"{JKT}\n"},
        {"jkt": f"{JKT[:-1]}J"},
        {"jkt": JKT.replace("-", "+")},
        {"x5t#S256": JKT},
        {"jwk": {"kty": "EC"}},
        {"kid": "1"},
        {"jkt": JKT, "x5t#S256": JKT},
    ],
)
def test_a_binding_that_is_not_checked_here_is_not_taken_as_none(cnf: object) -> None:
    assert refused({**GOOD, "cnf": cnf})


ROLES: Final = replace(TRUST, roles_claim="roles")


@pytest.mark.parametrize(
    ("said", "roles"),
    [
        ({"roles": ["developer"]}, {Role.DEVELOPER}),
        ({"roles": ["developer", "auditor", "root", 1, None]}, {Role.DEVELOPER, Role.AUDITOR}),
        ({"roles": ["OWNER", " owner", "owner "]}, set()),
        ({"roles": []}, set()),
        ({"roles": "owner"}, set()),
        ({"roles": {"owner": True}}, set()),
        ({"role": ["owner"]}, None),
        ({}, None),
    ],
)
def test_an_issuer_may_name_roles(said: dict[str, Any], roles: set[Role] | None) -> None:
    assert read({**GOOD, **said}, ROLES, NOW).roles == roles


def test_roles_of_an_issuer_that_may_not_name_them_are_not_read() -> None:
    assert read({**GOOD, "roles": ["owner"]}, TRUST, NOW).roles is None


def test_grants_count_only_if_they_parse_and_name_no_org() -> None:
    trust = replace(TRUST, grants_claim="groups")
    said = ["team:platform", "project:billing", "org:acme", "team:", "team:other/x", "platform", 1]
    assert read({**GOOD, "groups": said}, trust, NOW).grants == {
        Grant(GrantKind.TEAM, "platform"),
        Grant(GrantKind.PROJECT, "billing"),
    }
    assert read({**GOOD, "groups": said}, TRUST, NOW).grants == frozenset()
    assert read({**GOOD, "groups": "team:platform"}, trust, NOW).grants == frozenset()


@pytest.mark.parametrize("said", [{"org": "globex"}, {"org": ID}, {"tenant": "globex"}])
def test_an_issuer_of_one_org_cannot_name_another(said: dict[str, Any]) -> None:
    assert read({**GOOD, **said}, TRUST, NOW).org == "acme"


def test_an_issuer_of_several_orgs_names_one_of_them() -> None:
    trust = replace(TRUST, org=None, org_claim="tenant", orgs=frozenset({"acme", "globex"}))
    assert read({**GOOD, "tenant": "globex"}, trust, NOW).org == "globex"
    for other in ("initech", "ACME", "", ["acme"], None, 1):
        assert refused({**GOOD, "tenant": other}, trust)
    assert refused({**GOOD, "org": "acme"}, trust)


def local(**claims: object) -> dict[str, Any]:
    return {**GOOD, "iss": "urn:uuid:x", "aud": "urn:uuid:x", "org": ID, "sub": ID, "jti": ID, **claims}


def test_a_local_token_names_everything_by_id() -> None:
    claims = read(local(), LOCAL, NOW)
    assert (claims.org, claims.subject, claims.jti, claims.local) == (ID, ID, ID, True)
    for name in ("org", "sub", "jti"):
        for other in ("acme", ID.upper().replace("0", "A"), f"{{{ID}}}", ID.replace("-", ""), None):
            assert refused(local(**{name: other}), LOCAL)


def test_a_local_token_ends_to_the_microsecond() -> None:
    assert not refused(local(), LOCAL, NOW + 60 * SECOND - 1)
    assert refused(local(), LOCAL, NOW + 60 * SECOND)
    assert read(local(), LOCAL, NOW).expires_at == NOW + 60 * SECOND


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_access_tokens_say_what_they_are(kind: str) -> None:
    check_type({"typ": kind})


@pytest.mark.parametrize("kind", [None, "", "JWT", "jwt", "dpop+jwt", "at+jwt ", "at-jwt", "x/at+jwt", ["at+jwt"], 1])
def test_other_tokens_are_not_taken_for_them(kind: object) -> None:
    with pytest.raises(ClaimError):
        check_type({"typ": kind})
    with pytest.raises(ClaimError):
        check_type({})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from([*GOOD, "nbf", "cnf", "roles", "groups", "tenant"]), JSON),
    st.sampled_from(
        [
            TRUST,
            ROLES,
            LOCAL,
            replace(TRUST, org=None, org_claim="tenant", orgs=frozenset({"acme"}), grants_claim="groups"),
        ]
    ),
)
def test_no_payload_is_answered_with_anything_but_claims_or_a_refusal(said: dict[str, Any], trust: Trust) -> None:
    payload = json.loads(json.dumps({**GOOD, **said}))
    try:
        claims = read(payload, trust, NOW)
    except ClaimError:
        return
    assert claims.expires_at > NOW
