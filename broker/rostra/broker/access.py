"""Who may ask, tell, publish and subscribe to what: the file `access.toml` (SPEC §10).

A table for each name, and `[default]` for those without one; each lists patterns (NATS's grammar) under `ask`, `tell`,
`publish` and `subscribe`. What a table does not mention is allowed; without the file everything is. `[console]` is for every
console. ZeroMQ filters events by prefix: who may subscribe to a topic may be sent those whose names begin with it.

`messages_per_second` and `bytes_per_second` bound what a name sends; those of `[default]` are not for the coordinator, the
gateway and consoles, who work for everybody.
"""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rostra.protocol.errors import RostraError
from rostra.protocol.keys import CONSOLE_KEY, key_name
from rostra.protocol.names import COORDINATOR, GATEWAY, check_pattern, literal_prefix, matches

from .rates import Rate

_FOR_ALL = (COORDINATOR, GATEWAY, CONSOLE_KEY)
"""Who works for everybody."""
Verb = Literal["ask", "tell", "publish", "subscribe"]


class BadAccess(RostraError):
    """The access file is malformed."""

    code = "bad_access"


class Denied(RostraError):
    """The access rules forbid it."""

    code = "refused"


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one name may do; None: anything."""

    ask: tuple[str, ...] | None = None
    tell: tuple[str, ...] | None = None
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None
    messages_per_second: Annotated[float, Meta(ge=0)] = 0.0
    bytes_per_second: Annotated[float, Meta(ge=0)] = 0.0

    @property
    def rate(self) -> Rate:
        """What the name may send."""
        return Rate(self.messages_per_second, self.bytes_per_second)


class Access:
    """The rules of an access file. `rate`: what names may send that are not given a rate of their own."""

    def __init__(self, rules: dict[str, Rules] | None = None, rate: Rate | None = None) -> None:
        self._rules = rules or {}
        default = self._rules.get("default")
        self._rate = (default.rate if default else None) or rate or Rate()
        self.allows = lru_cache(maxsize=8192)(self._allows)

    @classmethod
    def load(cls, path: Path, rate: Rate | None = None) -> "Access":
        """Read the file; raises `BadAccess` when it is malformed."""
        try:
            rules = msgspec.convert(tomllib.loads(path.read_text()), dict[str, Rules])
            for name, one in rules.items():
                for pattern in (*(one.ask or ()), *(one.tell or ()), *(one.publish or ()), *(one.subscribe or ())):
                    check_pattern(pattern)
                for pattern in one.subscribe or ():
                    if "*" in pattern:
                        raise BadAccess(
                            f"{path}: {name}.subscribe: {pattern!r}: only a topic, or one that ends in >, can be enforced"
                        )
        except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError, RostraError) as error:
            raise BadAccess(f"{path}: {error}") from None
        return cls(rules, rate)

    def free(self, name: str) -> bool:
        """Whether `name` may ask anyone, as often as it likes: then its requests need no look."""
        rules = self._of(name)
        return (rules is None or rules.ask is None) and not self.rate(name)

    def rate(self, name: str) -> Rate:
        """What `name` may send."""
        own = self._rules.get(key_name(name))
        if own is not None and own.rate:
            return own.rate
        return Rate() if key_name(name) in _FOR_ALL else self._rate

    def _of(self, name: str) -> Rules | None:
        return self._rules.get(key_name(name)) or self._rules.get("default")

    def _allows(self, name: str, verb: Verb, target: str) -> bool:
        rules = self._of(name)
        patterns: tuple[str, ...] | None = getattr(rules, verb) if rules else None
        if patterns is None:
            return True
        if verb == "subscribe":  # the target is what ZeroMQ filters by: a prefix
            return any(_covers(pattern, target) for pattern in patterns)
        return any(matches(pattern, target) for pattern in patterns)


def _covers(pattern: str, prefix: str) -> bool:
    return prefix.startswith(literal_prefix(pattern)) if pattern.endswith(">") else prefix == pattern


def named(user: str) -> str:
    """The name in what the authenticator says of a connection: a name and a key."""
    return user.partition(" ")[0]
