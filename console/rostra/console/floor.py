"""The floor from this terminal: Ctrl-C gives it to the admin, and slash commands pass it on."""

from typing import Literal

from rostra.protocol import Refused, RequestError
from rostra.protocol.chat import ChatControl, ChatInfo

from .following import Chat, coordinator_asked
from .watching import View, Watch

HELP = "say something, or /skip, /next NAME, /continue, /pause, /stop"

Taken = Literal["given", "paused", "refused"]


class Floor:
    """Gives the floor of a chat that is watched here to people. `pauses`: what cannot be given is paused instead."""

    def __init__(self, chat: Chat, watch: Watch, view: View, *, pauses: bool) -> None:
        self._chat, self._watch, self._view, self._pauses = chat, watch, view, pauses
        self._admin = ""
        self._busy = False
        watch.commands = self.command

    @property
    def taken(self) -> bool:
        """Whether the admin has the floor, or is about to: another Ctrl-C means something else."""
        return self._busy or (self._admin != "" and self._watch.asks(self._admin))

    async def take(self) -> Taken:
        """Give the floor to the admin, where one can be asked here; else pause the chat. Raises `RequestError`."""
        self._busy = True
        try:
            info = await self._chat.info()
            self._admin = info.admin
            person = self._watch.person
            if info.admin and person is not None and not person.gone:
                self._watch.commander = info.admin
                await self._control("takeover")
                self._view.note(f"{info.admin} has the floor: {HELP}; Ctrl-C once more ends the chat")
                return "given"
            if not self._pauses:
                return "refused"
            await self._control("pause", now=True)
            return "paused"
        finally:
            self._busy = False

    async def command(self, line: str) -> bool:
        """Do what a line at the admin's prompt says, when it is a command; False: it is something to be said."""
        if not line.startswith("/"):
            return False
        what, _, rest = line[1:].strip().partition(" ")
        match what:
            case "skip" | "continue":
                await self._control("skip", reason=what if what == "continue" else "")
            case "next" if rest.strip():
                await self._control("next", agent=rest.strip(), now=True)
            case "pause":
                await self._control("pause", now=True)
            case "stop":
                await self._chat.stop(rest.strip() or "stopped at the terminal")
            case _:
                raise Refused(f"{line!r} is no command; {HELP}")
        return True

    async def _control(self, what: str, *, agent: str = "", now: bool = False, reason: str = "") -> None:
        wish = ChatControl(chat=self._chat.chat, agent=agent, now=now, reason=reason)
        try:
            await coordinator_asked(self._chat.client, f"chat.{what}", wish, ChatInfo)
        except Refused as error:
            if "already" not in str(error):  # what was wanted is so
                raise
        except RequestError as error:
            self._view.note(f"the floor cannot be taken: {error}", bad=True)
            raise
