"""What signals mean to a coordinator: they give the floor to people (decision 30)."""

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .coordinator import Coordinator

log = logging.getLogger(__name__)

GRACE = 8.0
"""Seconds that an admin has to say something after SIGTERM, before it is taken for the end: containers are killed after ten."""


class Signals:
    """Heeds the signals of a process whose coordinator runs; `stop` ends it.

    SIGINT gives the floor of every chat to its admin, and pauses those without one; so does SIGTERM, where an admin can be
    asked, and then ends the process unless a person does something within `grace` seconds. A second one, SIGHUP, or one that
    finds no chat running ends the process at once. Nothing is lost by that: a chat is on disk at any moment.
    """

    def __init__(self, coordinator: "Coordinator", stop: asyncio.Event, *, grace: float = GRACE) -> None:
        self._coordinator, self._stop, self._grace = coordinator, stop, grace
        self._task: asyncio.Task[None] | None = None
        self._last = 0

    def listen(self) -> None:
        """Take the signals of this process over; belongs to the main thread's running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self._stop.set)

    def signalled(self, number: int) -> None:
        """A signal came."""
        name, coordinator = signal.Signals(number).name, self._coordinator
        again = self._last and not coordinator.acted  # nobody has done anything since the last one
        nobody = not coordinator.chats.active or (number == signal.SIGTERM and not coordinator.chats.admins)
        if again or nobody:
            self._stop.set()
            return
        log.warning("%s: people have the floor; once more to end", name)
        self._last, coordinator.acted = number, False
        self._task = asyncio.get_running_loop().create_task(self._give(name, number == signal.SIGTERM))

    async def _give(self, name: str, ends: bool) -> None:
        paused = await self._coordinator.chats.take_over(name)
        if not ends:
            return
        await asyncio.sleep(self._grace)
        if self._coordinator.acted:
            return
        for chat in paused:  # what only the signal has paused goes on when the coordinator is back
            await self._coordinator.chats.go_on(chat, f"the {name} was the coordinator's end")
        self._stop.set()
