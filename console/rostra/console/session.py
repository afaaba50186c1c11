"""What commands do with one chat: follow it on this terminal, or take its transcript as it stands."""

import sys
from typing import Any

from rostra.protocol.chat import ChatInfo, ChatMessage, ChatRef
from rostra.protocol.ids import new_id, text_id

from .connection import connected
from .exits import of_result
from .following import Chat, coordinator_asked, history
from .live import Live
from .person import Person, at_terminal
from .terminal import colour_wanted
from .watching import JsonView, View, Watch


def new_chat_id() -> str:
    """An id for a chat: it sorts by time of making, and is a token of topics."""
    return text_id(new_id())


def view_for(*, as_json: bool, deltas: bool) -> View:
    """How a chat is shown here: JSON Lines, or live with streaming text on a terminal."""
    if as_json:
        return JsonView(sys.stdout, sys.stderr, deltas=deltas)
    return Live(sys.stdout, sys.stderr, streaming=sys.stdout.isatty() or colour_wanted(sys.stdout))


async def followed(chat: Chat, *, as_json: bool, deltas: bool, ask: bool, after: int = 0) -> int:
    """Watch a chat that runs anyway; returns the exit code. Ctrl-C only leaves it."""
    person = Person(sys.stderr) if ask and at_terminal() else None
    result = await Watch(chat, view_for(as_json=as_json, deltas=deltas), person=person).run(after=after)
    return of_result(result)


async def transcript(id_: str, team: str) -> tuple[ChatInfo, list[ChatMessage]]:
    """A chat at a glance, and all its messages in order."""
    async with connected(team) as client:
        info: ChatInfo = await coordinator_asked(client, "chat.info", ChatRef(chat=id_), ChatInfo)
        return info, [message async for message in history(client, id_)]


async def asked_or_read(team: str, id_: str, method: str, payload: Any, reply: Any) -> Any:
    """What the coordinator answers about a chat."""
    async with connected(team) as client:
        return await coordinator_asked(client, method, payload, reply)
