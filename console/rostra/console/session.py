"""What commands do with one chat: follow it on this terminal, or take its transcript as it stands."""

import asyncio
import contextlib
import signal
import sys
from typing import Any

from rostra.protocol import Refused, RequestError
from rostra.protocol.chat import (
    ChatInfo,
    ChatMessage,
    ChatRef,
    Found,
    Record,
    Records,
    RecordsRequest,
    Result,
    SearchRequest,
)
from rostra.team.chats import Chats
from rostra.team.instances import NoInstance

from . import archive
from .connection import chats as running_chats
from .connection import connected
from .exits import Code, of_result
from .exporting import Exported
from .floor import Floor
from .following import Chat, coordinator_asked
from .live import Live
from .person import Person, at_terminal
from .terminal import colour_wanted
from .watching import JsonView, View, Watch


def view_for(*, as_json: bool, deltas: bool) -> View:
    """How a chat is shown here: JSON Lines, or live with streaming text on a terminal."""
    if as_json:
        return JsonView(sys.stdout, sys.stderr, deltas=deltas)
    return Live(sys.stdout, sys.stderr, streaming=sys.stdout.isatty() or colour_wanted(sys.stdout))


async def followed(chat: Chat, *, as_json: bool, deltas: bool, ask: bool, after: int = 0, takes: bool = False) -> int:
    """Watch a chat that runs anyway; returns the exit code.

    Ctrl-C leaves it; with `takes` the first one gives the floor to the admin, where that is asked here.
    """
    person, view = Person(sys.stderr) if ask and at_terminal() else None, view_for(as_json=as_json, deltas=deltas)
    watch = Watch(chat, view, person=person)
    if not takes or person is None:
        return _left(await watch.run(after=after))
    floor, watching = Floor(chat, watch, view, pauses=False), asyncio.current_task()
    taking: set[asyncio.Task[None]] = set()
    assert watching is not None

    async def take() -> None:
        with contextlib.suppress(RequestError):
            if await floor.take() == "given":
                return
        watching.cancel()

    def interrupted() -> None:
        if floor.taken or taking:
            watching.cancel()
            return
        task = asyncio.create_task(take())
        taking.add(task)
        task.add_done_callback(taking.discard)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        return _left(await watch.run(after=after))
    except asyncio.CancelledError:
        return Code.INTERRUPTED
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def on_screen(chat: Chat) -> int:
    """Show a chat on the whole terminal, until it is left; returns the exit code: 0, that of the chat when it has ended, or that
    of a signal.
    """
    from .tui.shown import Shown

    shown = Shown()
    code = await shown.run(chat)
    return code if code or shown.result is None else of_result(shown.result)


def _left(result: Result | None) -> int:
    return Code.INTERRUPTED if result is None else of_result(result)


async def chats(team: str = "") -> list[ChatInfo]:
    """The chats of a running team, or, when none runs, those on this disk; the oldest first."""
    try:
        infos = await running_chats(team)
    except NoInstance:
        return archive.chats(team)
    return sorted(infos, key=lambda info: info.created_ms)


async def transcript(chat: str, team: str = "") -> tuple[ChatInfo, list[ChatMessage]]:
    """A chat at a glance, and all its messages in order: from the running team, else from this disk. Raises `Refused`."""
    with contextlib.suppress(NoInstance, Refused):
        async with connected(team) as client:
            asked = Chats(client)
            return await asked.info(chat), [message async for message in asked.history(chat)]
    return archive.transcript(chat, team)


async def exported(chat: str, team: str = "") -> Exported:
    """A whole chat, as `transcript`, with every row. Raises `Refused`."""
    with contextlib.suppress(NoInstance, Refused):
        async with connected(team) as client:
            asked, records = Chats(client), list[Record]()
            while True:
                wish = RecordsRequest(chat=chat, after=records[-1].link if records else 0)
                page: Records = await coordinator_asked(client, "chat.records", wish, Records)
                records += page.records
                if not page.more or not page.records:
                    break
            info, messages = await asked.info(chat), tuple([message async for message in asked.history(chat)])
            return Exported(chat=info, messages=messages, records=tuple(records), settings=page.settings)
    return archive.exported(chat, team)


async def found(wish: SearchRequest, team: str = "") -> list[Found]:
    """The messages that a search finds: those of a running team, where one is named, and those on this disk."""
    if team:
        with contextlib.suppress(NoInstance):
            async with connected(team) as client:
                hits: list[Found] = await coordinator_asked(client, "chat.search", wish, list[Found])
            return hits
    return archive.found(wish, team)


async def about(team: str, method: str, ref: ChatRef, reply: Any) -> Any:
    """What is known of a chat (`chat.why`, `chat.verify`): from the running team, else from this disk. Raises `Refused`."""
    with contextlib.suppress(NoInstance, Refused):
        async with connected(team) as client:
            return await coordinator_asked(client, method, ref, reply)
    return archive.answer(method, ref, team)
