"""The keys with which this install signs its access tokens: the newest signs, all of them verify."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from codingbrain.clock import Clock, Micros
from codingbrain.errors import StorageError
from codingbrain.ids import Mint, uuid7

ALGORITHM: Final = "ES256"
FILE: Final = "signing.json"

_CURVE: Final = "P-256"
_URN: Final = "urn:uuid:"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key as operators see it; never the key itself."""

    kid: str
    created_at: Micros
    signs: bool


@dataclass(frozen=True, slots=True)
class _Held:
    created_at: Micros
    private: ECKey
    public: ECKey


@dataclass(frozen=True, slots=True)
class _State:
    """`keys` by their RFC 7638 thumbprint, oldest first; there is always one."""

    install: str
    keys: dict[str, _Held]


class Keyring:
    """Signing keys in a file that only its owner can read; they are made on first use.

    One process at a time may hold it: the one that holds the data directory.

    Raises:
        StorageError: the file can neither be read nor made, or does not hold signing keys.
    """

    def __init__(self, folder: Path, clock: Clock, mint: Mint = uuid7) -> None:
        self._path = folder / FILE
        self._clock = clock
        self._changing = Lock()
        self._epoch = 0
        self._state = _read(self._path) or self._write(_State(f"{_URN}{mint()}", _made(clock())))

    @property
    def install(self) -> str:
        """The name of this install: the issuer of its tokens, and an audience that outlives its address."""
        return self._state.install

    @property
    def epoch(self) -> int:
        """Changes at every rotation."""
        return self._epoch

    def sign(self, claims: Mapping[str, Any]) -> str:
        """An access token (RFC 9068) with these claims."""
        kid, held = next(reversed(self._state.keys.items()))
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": kid}
        return jwt.encode(header, dict(claims), held.private, algorithms=[ALGORITHM])

    def public(self, kid: str) -> ECKey | None:
        """The public half of the key with this id, if this install signs or signed with it."""
        held = self._state.keys.get(kid)
        return held.public if held else None

    def rotate(self, *, drop: bool = False) -> None:
        """Sign with a new key from now on; `drop` forgets the former ones, and every token that they signed dies.

        Blocks until the file is on disk.

        Raises:
            StorageError: the file cannot be written; nothing changed.
        """
        with self._changing:
            new = _made(self._clock())
            self._state = self._write(_State(self._state.install, new if drop else {**self._state.keys, **new}))
            self._epoch += 1

    def listed(self) -> tuple[SigningKey, ...]:
        """Every key, oldest first."""
        keys = self._state.keys
        newest = next(reversed(keys))
        return tuple(SigningKey(kid, held.created_at, kid == newest) for kid, held in keys.items())

    def _write(self, state: _State) -> _State:
        document = {
            "install": state.install,
            "keys": [_member(kid, held) for kid, held in state.keys.items()],
        }
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _replace(self._path, json.dumps(document, indent=1).encode())
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror}"
            raise StorageError(message) from None
        return state


def _made(at: Micros) -> dict[str, _Held]:
    private = ECKey.generate_key(_CURVE)
    return {private.thumbprint(): _held(private, at)}


def _held(private: ECKey, at: Micros) -> _Held:
    return _Held(at, private, ECKey.import_key(private.public_key))


def _member(kid: str, held: _Held) -> dict[str, Any]:
    made: dict[str, Any] = {"use": "sig", "alg": ALGORITHM, "kid": kid, "created_at": held.created_at}
    return {**held.private.as_dict(private=True), **made}


def _read(path: Path) -> _State | None:
    try:
        document = json.loads(path.read_bytes())
        install = f"{_URN}{UUID(document['install'].removeprefix(_URN))}"
        keys = dict(_parsed(each) for each in document["keys"])
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise StorageError(message) from None
    except (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise _damaged(path) from None
    if not keys:
        raise _damaged(path)
    return _State(install, keys)


def _parsed(member: Mapping[str, Any]) -> tuple[str, _Held]:
    private = ECKey.import_key({name: member[name] for name in ("kty", "crv", "x", "y", "d")})
    if private.curve_name != _CURVE:
        raise ValueError(private.curve_name)
    return private.thumbprint(), _held(private, int(member["created_at"]))


def _damaged(path: Path) -> StorageError:
    return StorageError(
        f"{path} does not hold signing keys; restore it from a backup,"
        " or delete it, and every token that this install issued ends"
    )


def _replace(path: Path, content: bytes) -> None:
    """Whoever reads the file at any time, even after a crash, finds either the old or the new content."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
