"""A broker's core on a bench: frames in, frames out, no socket and no clock."""

from typing import Any

from rostra.broker.core import Core
from rostra.broker.outputs import Output, ToAll, ToPeer
from rostra.protocol.directory import Presence
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.messages import Error, Header, Hello, Reply, Request, Welcome

ID, NONCE = b"0123456789abcdef", b"n" * 16


def boot(route: bytes) -> bytes:
    return route.ljust(16, b".")


class Bench:
    """A core and what it said last."""

    def __init__(self) -> None:
        self.core = Core(b"K" * 16, 100.0)

    def say(self, route: bytes, header: Header, body: bytes = b"", peer: bytes = b"") -> list[tuple[bytes, bytes, Header]]:
        return self.heard(self.core.received(route, peer, encode_head(header), body))

    def heard(self, outputs: list[Output]) -> list[tuple[bytes, bytes, Header]]:
        self.events = [(one.topic.decode(), decode_head(one.head), one.body) for one in outputs if isinstance(one, ToAll)]
        self.sent = [one for one in outputs if isinstance(one, ToPeer)]
        return [(one.route, one.peer, decode_head(one.head)) for one in self.sent]

    def join(self, route: bytes, name: str, *, shared: bool = False, info: Any = None) -> str:
        body = b"" if info is None else encode_body(info)
        ((to, _, welcome),) = self.say(route, Hello(name, boot(route), shared), body)
        assert to == route
        assert isinstance(welcome, Welcome)
        return welcome.address

    def ask(self, route: bytes, method: str, payload: Any = None) -> Any:
        ((_, _, reply),) = self.say(route, Request(ID, method, 0), encode_body(payload))
        assert reply == Reply(ID), reply
        return decode_body(self.sent[0].body)

    def presence(self) -> list[tuple[str, str]]:
        seen = [decode_body(body, Presence) for topic, _, body in self.events if topic == "presence"]
        return [(one.address, one.state) for one in seen]


def errors(said: list[tuple[bytes, bytes, Header]]) -> list[tuple[bytes, bytes, str]]:
    """(route, id, code) of each ERROR."""
    return [(route, header.id, header.code) for route, _, header in said if isinstance(header, Error)]
