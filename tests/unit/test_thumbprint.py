"""Which keys tokens are bound to, and under which name."""

import json

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from codingbrain.access.thumbprint import thumbprint
from codingbrain.errors import InvalidArgumentError

KEYS = (ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048))

RFC_7638 = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}


def test_the_example_of_the_rfc() -> None:
    """RFC 7638, section 3.1: members that do not define the key do not count."""
    assert thumbprint(json.dumps(RFC_7638)) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.key_type)
def test_a_public_key_has_one_name_in_both_forms(key: ECKey | OKPKey | RSAKey) -> None:
    jwk = json.dumps({**key.as_dict(private=False), "use": "sig", "kid": "mine"})
    assert thumbprint(f"\n  {jwk}") == thumbprint(key.as_pem(private=False).decode()) == key.thumbprint()


def test_a_key_that_is_written_in_another_way_has_no_second_name() -> None:
    key = KEYS[2].as_dict(private=False)
    with pytest.raises(InvalidArgumentError):
        thumbprint(json.dumps({**key, "e": "AAEAAQ"}))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.key_type)
def test_a_private_key_is_refused_as_such(key: ECKey | OKPKey | RSAKey) -> None:
    for text in (json.dumps(key.as_dict(private=True)), key.as_pem(private=True).decode()):
        with pytest.raises(InvalidArgumentError, match="private key"):
            thumbprint(text)


NONE = {
    "nothing": "",
    "half": "{",
    "empty": "{}",
    "list": "[]",
    "garbage": "garbage",
    "deep": "{" * 20_000,
    "not on the curve": json.dumps({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
    "odd type": json.dumps({"kty": ["EC"]}),
    "set": json.dumps({"keys": [KEYS[0].as_dict(private=False)]}),
    "secret": json.dumps(OctKey.generate_key(256).as_dict(private=True)),
    "other curve": json.dumps(ECKey.generate_key("P-384").as_dict(private=False)),
    "key agreement": json.dumps(OKPKey.generate_key("X25519").as_dict(private=False)),
    "short": json.dumps({**RFC_7638, "n": "AQAB"}),
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_key_for_proofs_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\Athe key: [^\n]*\Z"):
        thumbprint(NONE[name])
