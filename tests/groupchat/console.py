"""What a console asks of a coordinator in tests."""

import asyncio
from typing import Any

import msgspec

from rostra.groupchat.replaying import Script
from rostra.groupchat.rows import Settings
from rostra.protocol import COORDINATOR, Client, History, HistoryRequest
from rostra.protocol.chat import ChatControl, ChatInfo, ChatRef, InboxItem, Records, RecordsRequest, Verdict, Why

from .team import info


async def control(client: Client, what: str, chat: str = "c1", **rest: Any) -> ChatInfo:
    """Do something to a chat."""
    found: ChatInfo = await client.request(COORDINATOR, f"chat.{what}", ChatControl(chat=chat, **rest), reply=ChatInfo)
    return found


async def messages(client: Client, chat: str = "c1") -> list[tuple[str, str]]:
    """Who said what."""
    history: History = await client.request(COORDINATOR, "history", HistoryRequest(chat=chat, limit=1000), reply=History)
    assert [one.sequence for one in history.messages] == list(range(1, len(history.messages) + 1))
    return [(one.name, one.text) for one in history.messages]


async def intact(client: Client, chat: str = "c1") -> None:
    """The chain must be good."""
    verdict: Verdict = await client.request(COORDINATOR, "chat.verify", ChatRef(chat=chat), reply=Verdict)
    assert verdict.intact, verdict.problem


async def records(client: Client, chat: str = "c1") -> Records:
    """All closed rows."""
    found: Records = await client.request(COORDINATOR, "chat.records", RecordsRequest(chat=chat), reply=Records)
    assert not found.more
    return found


async def questions(client: Client) -> list[InboxItem]:
    """What waits for a person."""
    items: list[InboxItem] = await client.request(COORDINATOR, "inbox.list", reply=list[InboxItem])
    return items


async def reach(client: Client, state: str, count: int = 0, chat: str = "c1") -> ChatInfo:
    """Wait until the chat is in a state, with so many messages (0: any number)."""
    async with client.subscribe(f"chat.{chat}") as events, asyncio.timeout(20):
        found = await info(client, chat)
        while found.state != state or count not in (0, found.messages):
            async with asyncio.timeout(20):
                await anext(aiter(events))
            found = await info(client, chat)
        return found


async def whys(client: Client, chat: str = "c1") -> list[Why]:
    """Why each turn was given to whom."""
    found: list[Why] = await client.request(COORDINATOR, "chat.why", ChatRef(chat=chat), reply=list[Why])
    return found


async def script(client: Client, chat: str = "c1") -> Script:
    """The chat as an export has it."""
    page: Records = await client.request(COORDINATOR, "chat.records", RecordsRequest(chat=chat), reply=Records)
    about = await info(client, chat)
    rows = msgspec.convert(page.settings, Settings)
    return Script(
        chat=chat, created_ms=about.created_ms, settings=rows, records=page.records, members=about.members, result=about.result
    )
