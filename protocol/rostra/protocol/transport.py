"""What a client needs of whatever carries its messages: ZeroMQ sockets, or memory."""

from typing import Protocol


class Listener(Protocol):
    """Who is told what a transport sees; called on the event loop's thread."""

    def connected(self) -> None:
        """The broker is reachable, for the first time or again."""

    def disconnected(self) -> None:
        """The broker is not reachable any more."""

    def events_connected(self) -> None:
        """The event socket reached the broker, for the first time or again."""

    def received(self, peer: bytes, head: bytes, body: bytes) -> None:
        """A message arrived."""

    def received_event(self, topic: bytes, head: bytes, body: bytes) -> None:
        """A message arrived over the event socket."""


class Transport(Protocol):
    """A connection to a broker and an event socket beside it."""

    def open(self, listener: Listener) -> None:
        """Begin; needs a running event loop."""

    def send(self, peer: bytes, head: bytes, body: bytes) -> bool:
        """Hand three frames over; False when there is no connection or no room."""

    def listen(self, prefix: bytes, *, on: bool) -> None:
        """Receive (or no longer) events on topics that begin with `prefix`; counted, so each `on` needs its off."""

    async def aclose(self) -> None:
        """Flush what was handed over, then end."""
