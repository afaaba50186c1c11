"""Keeps a scene up to date with a chat that is followed: takes its events, and asks for what events do not say."""

import contextlib
import time
from collections.abc import Callable

from rostra.console.following import Chat, Followed, Listening, Reconnected, coordinator_asked
from rostra.protocol import COORDINATOR, Presence, RequestError
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatRef, Result, Why

from . import folding, scene
from .scene import Scene


class Feed:
    """One chat. `scene` is replaced with each change, and `changed` is called then."""

    def __init__(self, chat: Chat, changed: Callable[[], None]) -> None:
        self.chat, self._changed = chat, changed
        self.scene = Scene(chat=chat.chat)

    async def run(self) -> Result:
        """Follow the chat to its end. Raises `RequestError`."""
        async for event in self.chat.events():
            self._put(folding.told(self.scene, event))
            with contextlib.suppress(RequestError):  # whoever is away comes back, and is asked again then
                await self._ask(event)
        assert self.scene.result is not None  # the events end with it
        return self.scene.result

    def seen(self, info: ChatInfo) -> None:
        """The chat at a glance, as an act was answered."""
        self._put(scene.with_info(self.scene, info, time.time_ns() // 1_000_000))

    def note(self, text: str, *, bad: bool = False) -> None:
        """Note something that no event says."""
        self._put(scene.noted(self.scene, text, bad=bad))

    async def _ask(self, event: Followed) -> None:
        match event:
            case Listening():
                await self._all(new=False)
                if not self.chat.begins:
                    self._put(scene.with_beginnings_missed(self.scene))
            case Reconnected():
                await self._all(new=True)
            case Presence(state="online") if event.name == COORDINATOR:
                await self._all(new=True)
            case ChatEvent(type="question"):
                await self._inbox(new=True)
            case ChatEvent(type="selected" | "state"):
                self.seen(await self.chat.info())
            case _:
                pass

    async def _all(self, *, new: bool) -> None:
        self.seen(await self.chat.info())
        present = frozenset(peer.name for peer in await self.chat.client.peers())
        self._put(scene.with_present(self.scene, present))
        await self._inbox(new=new)
        if self.scene.floor and not self.scene.why:
            reasons: list[Why] = await coordinator_asked(
                self.chat.client, "chat.why", ChatRef(chat=self.chat.chat, sequence=self.scene.turn), list[Why]
            )
            for why in reasons:
                self._put(scene.with_why(self.scene, why))

    async def _inbox(self, *, new: bool) -> None:
        self._put(scene.with_inbox(self.scene, tuple(await self.chat.open_items()), new=new))

    def _put(self, now: Scene) -> None:
        if now is not self.scene:
            self.scene = now
            self._changed()
