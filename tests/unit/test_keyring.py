"""The signing keys of an install survive restarts, rotate, and are nobody else's to read."""

import json
import stat
from pathlib import Path

import pytest
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey

from codingbrain.access.keyring import FILE, Keyring
from codingbrain.clock import DAY, Micros
from codingbrain.errors import StorageError

NOW: Micros = 20_000 * DAY


def clock() -> Micros:
    return NOW


def kid_of(token: str) -> str:
    return jws.extract_compact(token.encode()).protected["kid"]


def verified(keyring: Keyring, token: str) -> dict[str, object]:
    key = keyring.public(kid_of(token))
    assert key is not None
    assert not key.is_private
    return jwt.decode(token, key, algorithms=["ES256"]).claims


def test_a_token_is_signed_as_rfc_9068_says(data_dir: Path) -> None:
    keyring = Keyring(data_dir / "keys", clock)
    token = keyring.sign({"iss": keyring.install, "sub": "someone"})
    header = jws.extract_compact(token.encode()).protected
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": keyring.listed()[0].kid}
    assert verified(keyring, token) == {"iss": keyring.install, "sub": "someone"}


def test_the_id_of_a_key_is_its_thumbprint(data_dir: Path) -> None:
    keyring = Keyring(data_dir, clock)
    (listed,) = keyring.listed()
    key = keyring.public(listed.kid)
    assert key is not None
    assert key.thumbprint() == listed.kid
    assert (listed.created_at, listed.signs) == (NOW, True)
    assert keyring.public("of another install") is None


def test_keys_and_the_name_of_the_install_survive_a_restart(data_dir: Path) -> None:
    first = Keyring(data_dir, clock)
    first.rotate()
    again = Keyring(data_dir, clock)
    assert again.install == first.install
    assert again.install.startswith("urn:uuid:")
    assert again.listed() == first.listed()
    assert verified(again, first.sign({"a": 1})) == {"a": 1}


def test_two_installs_share_nothing(data_dir: Path) -> None:
    one, other = Keyring(data_dir / "1", clock), Keyring(data_dir / "2", clock)
    assert one.install != other.install
    assert other.public(one.listed()[0].kid) is None
    key = other.public(other.listed()[0].kid)
    assert key is not None
    with pytest.raises(BadSignatureError):
        jwt.decode(one.sign({}), key, algorithms=["ES256"])


def test_the_newest_key_signs_and_the_former_still_verifies(data_dir: Path) -> None:
    keyring = Keyring(data_dir, clock)
    old, epoch = keyring.sign({"old": True}), keyring.epoch
    keyring.rotate()
    new = keyring.sign({"new": True})
    assert keyring.epoch != epoch
    assert [key.signs for key in keyring.listed()] == [False, True]
    assert kid_of(new) == keyring.listed()[-1].kid != kid_of(old)
    for reader in (keyring, Keyring(data_dir, clock)):
        assert verified(reader, old) == {"old": True}
        assert verified(reader, new) == {"new": True}


def test_dropping_forgets_the_former_keys_for_good(data_dir: Path) -> None:
    keyring = Keyring(data_dir, clock)
    old = keyring.sign({})
    keyring.rotate()
    keyring.rotate(drop=True)
    for reader in (keyring, Keyring(data_dir, clock)):
        assert reader.public(kid_of(old)) is None
        assert len(reader.listed()) == 1
    assert kid_of(old) not in (data_dir / FILE).read_text("utf-8")


def test_only_the_owner_can_read_the_file(data_dir: Path) -> None:
    keyring = Keyring(data_dir / "keys", clock)
    keyring.rotate()
    assert stat.S_IMODE((data_dir / "keys" / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((data_dir / "keys").stat().st_mode) == 0o700
    assert [path.name for path in (data_dir / "keys").iterdir()] == [FILE]


def test_a_crash_while_writing_leaves_the_former_keys(data_dir: Path) -> None:
    keyring = Keyring(data_dir, clock)
    (data_dir / FILE).with_suffix(".new").write_bytes(b'{"half')
    again = Keyring(data_dir, clock)
    assert again.listed() == keyring.listed()
    again.rotate()
    assert Keyring(data_dir, clock).listed() == again.listed()


def test_a_rotation_that_cannot_be_written_changes_nothing(data_dir: Path) -> None:
    keyring = Keyring(data_dir, clock)
    before, epoch = keyring.listed(), keyring.epoch
    (data_dir / FILE).unlink()
    (data_dir / FILE).mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        keyring.rotate(drop=True)
    assert (keyring.listed(), keyring.epoch) == (before, epoch)


DEEP = b"[" * 100_000
KEYS = {"install": "urn:uuid:00000000-0000-7000-8000-000000000000"}
OTHER_CURVE = ECKey.generate_key("P-384").as_dict(private=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        DEEP,
        json.dumps(KEYS).encode(),
        json.dumps({**KEYS, "keys": []}).encode(),
        json.dumps({**KEYS, "keys": ["x"]}).encode(),
        json.dumps({**KEYS, "keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}]}).encode(),
        json.dumps({**KEYS, "keys": [{**OTHER_CURVE, "created_at": 1}]}).encode(),
        json.dumps({**KEYS, "install": 1, "keys": []}).encode(),
        json.dumps({**KEYS, "install": "https://evil.example", "keys": []}).encode(),
    ],
)
def test_a_damaged_file_is_not_replaced_but_reported(data_dir: Path, content: bytes) -> None:
    path = data_dir / FILE
    path.write_bytes(content)
    with pytest.raises(StorageError, match="restore it from a backup") as caught:
        Keyring(data_dir, clock)
    assert str(path) in caught.value.message
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_used_is_reported(data_dir: Path) -> None:
    (data_dir / "file").touch()
    with pytest.raises(StorageError, match="cannot be"):
        Keyring(data_dir / "file", clock)
    (data_dir / FILE).mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        Keyring(data_dir, clock)
