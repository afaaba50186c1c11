"""What the broker itself is asked (SPEC §7.5)."""

from collections.abc import Callable
from typing import Any

from rostra.protocol.directory import BrokerStats, Peers, Replay, Subscribe
from rostra.protocol.errors import BadMessage
from rostra.protocol.frames import decode_body
from rostra.protocol.names import check_pattern, literal_prefix

from .access import Access, Denied
from .events import Events
from .registry import Registry


class Questions:
    """Answers from what the core's parts know."""

    def __init__(self, registry: Registry, events: Events, access: Access, stats: Callable[[], BrokerStats]) -> None:
        self._registry, self._events, self._access, self._stats = registry, events, access, stats

    def answer(self, name: str, method: str, body: bytes, now: float) -> Any:
        """What `name` is answered; raises `Denied`, `BadName`, `BadMessage` (a method that is not known, too)."""
        match method:
            case "ping":
                return None
            case "peers":
                wish = decode_body(body, Peers | None) if body else None
                return self._registry.page(wish.after.encode() if wish else b"")
            case "stats":
                return self._stats()
            case "subscribe":
                wish = decode_body(body, Subscribe)
                check_pattern(wish.pattern)
                if not self._access.allows(name, "subscribe", literal_prefix(wish.pattern)):
                    raise Denied(f"{name} may not subscribe to {wish.pattern}")
                self._events.announced(wish.nonce, wish.pattern, now)
                return None
            case "replay":
                replay = decode_body(body, Replay)
                if not self._access.allows(name, "subscribe", replay.topic):
                    raise Denied(f"{name} may not read {replay.topic}")
                replayed = self._events.topics.replay(replay.topic, replay.after, replay.limit)
                if replayed is None:
                    raise BadMessage(f"nothing was published on {replay.topic!r}")
                return replayed
            case _:
                raise BadMessage(f"the broker knows no method {method!r}")
