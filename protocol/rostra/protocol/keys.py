"""CURVE keys on disk: who may connect over TCP, and under which name (SPEC §10).

A key ring is a directory: `broker.key` and `broker.pub`, and for each name `NAME.key` and `NAME.pub`. A file holds one key in
Z85, 40 characters; `.key` files are secret and readable by their owner only. A host that runs one agent needs `broker.pub` and
`NAME.key` with `NAME.pub`. Removing `NAME.pub` from the broker's ring revokes the key.
"""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import zmq

from .errors import BadName, RostraError
from .names import NAME, check_name

log = logging.getLogger(__name__)

BROKER_KEY = "broker"
CONSOLE_KEY = "console"
_CONSOLE = re.compile(r"(?:console|launcher)-[0-9a-f]{6}\Z")
_Z85 = re.compile(rb"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z")


class NoKey(RostraError):
    """A key is missing, or is none."""

    code = "no_key"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, Z85."""

    public: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs: the broker's public key and a pair of its own."""

    broker: bytes
    own: KeyPair


def may_be(key_name: str, name: str) -> bool:
    """Whether the key `key_name` may speak as `name`: so only, but `console` as `console-` or `launcher-` and 6 hex too."""
    return name == key_name or (key_name == CONSOLE_KEY and _CONSOLE.match(name) is not None)


def key_name(name: str) -> str:
    """The name of the key that a peer called `name` uses."""
    return CONSOLE_KEY if _CONSOLE.match(name) else name


class KeyRing:
    """The keys in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self) -> bool:
        """Make the directory and the broker's pair; False when it has one already."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self.directory, 0o700)
        if self._path(BROKER_KEY, "key").exists():
            return False
        self._write(BROKER_KEY)
        return True

    def add(self, name: str) -> bool:
        """Make a pair for `name`; False when it has one already. Raises `BadName`, and `NoKey` without a broker's pair."""
        check_name(name)
        self._read(self._path(BROKER_KEY, "pub"))
        if self._path(name, "pub").exists():
            return False
        self._write(name)
        self._path(name, "revoked").unlink(missing_ok=True)
        return True

    def complete(self, names: Iterable[str]) -> None:
        """Make what a team needs: the broker's pair, and one for each name that has none and was not revoked."""
        self.create()
        for name in names:
            if not self._path(name, "revoked").exists():
                self.add(name)

    def revoke(self, name: str) -> bool:
        """Forget the public key of `name`: a running broker ends its connection within seconds. False when there is none."""
        if name == BROKER_KEY or not NAME.match(name):
            raise BadName(name, "this key cannot be revoked")
        path = self._path(name, "pub")
        if not path.exists():
            return False
        self._path(name, "revoked").touch()
        path.unlink()
        self._path(name, "key").unlink(missing_ok=True)
        return True

    def names(self) -> dict[bytes, str]:
        """Every public key that may connect, with its name. A file that holds no key is left out, and logged."""
        if not self.directory.is_dir():
            return {}
        found: dict[bytes, str] = {}
        for path in sorted(self.directory.glob("*.pub")):
            if path.stem != BROKER_KEY and NAME.match(path.stem):
                try:
                    found[self._read(path)] = path.stem
                except NoKey as error:  # one bad file lets one name out, not all of them
                    log.warning("%s", error)
        return found

    def stamp(self) -> int:
        """Changes when a key was added or revoked."""
        return self.directory.stat().st_mtime_ns if self.directory.is_dir() else 0

    def broker(self) -> KeyPair:
        """The broker's own pair; raises `NoKey` when the ring has none."""
        return self._pair(BROKER_KEY)

    def credentials(self, name: str) -> Credentials:
        """What a peer called `name` connects with; raises `NoKey` when something is missing."""
        return Credentials(self._read(self._path(BROKER_KEY, "pub")), self._pair(key_name(name)))

    def _pair(self, name: str) -> KeyPair:
        return KeyPair(self._read(self._path(name, "pub")), self._read(self._path(name, "key")))

    def _path(self, name: str, kind: str) -> Path:
        return self.directory / f"{name}.{kind}"

    def _read(self, path: Path) -> bytes:
        try:
            key = path.read_bytes().strip()
        except FileNotFoundError:
            raise NoKey(f"there is no {path.name} in {path.parent}; `rostra keys` makes keys") from None
        if not _Z85.match(key):
            raise NoKey(f"{path} holds no CURVE key")
        return key

    def _write(self, name: str) -> None:
        public, secret = zmq.curve_keypair()
        descriptor = os.open(self._path(name, "key"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret + b"\n")
        scratch = self._path(name, "new")  # a running broker looks at any moment: the key is there whole, or not at all
        scratch.write_bytes(public + b"\n")
        scratch.replace(self._path(name, "pub"))
