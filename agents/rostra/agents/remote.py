"""An agent of another process as a partner in a conversation of two."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from rostra.protocol import ChatMessage, Client, PeerLost, Stopping
from rostra.protocol.chat import Converse, ConverseReply
from rostra.protocol.ids import new_id

if TYPE_CHECKING:
    from .conversable import ConversableAgent
    from .dialogue import Dialogue

ABSENT = 60.0
"""Seconds that a partner may take to be started again."""
PAUSE = 0.25
"""Seconds between two tries while it goes down."""
DIRECTORY = ("rostra.console.connection", "connected")
"""Who knows which teams run on this machine: a part of the rooms above, looked up by name when it is wanted."""


class NoBus(ValueError):
    """A partner is named, and there is no bus on which it could be asked."""


class Remote:
    """The agent `address`, `name` or `name@team`, as one agent of this process talks with it.

    The conversation is kept on both sides. What the partner has not seen, or has lost, it is told again.
    """

    model = None
    """Its model is its own business: summaries are made with that of the other side."""
    silent: bool | None = None

    def __init__(self, address: str) -> None:
        self.address = address
        self.name, _, self.team = address.partition("@")
        self._dialogues: dict[Any, Dialogue] = {}
        self._client: Client | None = None

    def dialogue(self, partner: Any) -> "Dialogue":
        """Its side of the conversation with `partner`, as far as it is known here."""
        from .dialogue import Dialogue

        return self._dialogues.setdefault(partner, Dialogue())

    @asynccontextmanager
    async def reached(self, bus: Client | None) -> AsyncIterator[None]:
        """Talk over `bus`, or to the team that the address names over a connection of its own; raises `NoBus`, `NoInstance`."""
        if self._client is not None:
            yield
        elif self.team:
            connected = getattr(import_module(DIRECTORY[0]), DIRECTORY[1])
            async with connected(self.team) as client:
                self._client = client
                try:
                    yield
                finally:
                    self._client = None
        elif bus is not None:
            self._client = bus
            try:
                yield
            finally:
                self._client = None
        else:
            raise NoBus(f"{self.name} is the name of an agent on a bus, and there is none: give `bus`, or say {self.name}@team")

    async def reply_to(self, partner: "ConversableAgent") -> ChatMessage | None:
        """Its answer to what `partner` said last; None: it has nothing to say. Raises as `Client.request`."""
        side = self.dialogue(partner)
        id_ = new_id()
        while True:
            said = Converse(
                conversation=side.conversation,
                after=side.told,
                messages=tuple(side.messages[side.told :]),
                begun=side.begun,
                sender=partner.name,
            )
            reply = await self._asked(said, id_)
            if 0 <= reply.missing < side.told:
                side.told, id_ = reply.missing, new_id()  # another body is another request
                continue
            side.usage += reply.usage
            side.told = len(side.messages) + (reply.message is not None)
            if reply.message is None:
                side.reason = reply.reason or f"{self.name} has nothing to say"
                return None
            return msgspec.structs.replace(reply.message, name=self.name)

    async def _asked(self, said: Converse, id_: bytes) -> ConverseReply:
        if self._client is None:
            raise NoBus(f"there is no connection to {self.address}")
        loop = asyncio.get_running_loop()
        give_up: float | None = None
        while True:
            absent = ABSENT if give_up is None else max(0.0, give_up - loop.time())
            try:
                reply: ConverseReply = await self._client.request(
                    self.name, "converse", said, reply=ConverseReply, timeout=None, absent=absent, id=id_
                )
                return reply
            except (PeerLost, Stopping):
                # It went while it worked. Whoever takes its place is asked the same, and may have kept the answer.
                give_up = give_up if give_up is not None else loop.time() + ABSENT
                if loop.time() + PAUSE >= give_up:
                    raise
                await asyncio.sleep(PAUSE)
