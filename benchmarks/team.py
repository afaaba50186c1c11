"""A coordinator and handler agents as processes, and one who starts chats and watches them: what a team does all day."""

import asyncio
import sqlite3
import time
from pathlib import Path

from rostra.agents import serve as serve_agent
from rostra.groupchat import ChatOptions, serve, writer
from rostra.protocol import COORDINATOR, ChatMessage, Client, Member
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatStart

from .presence import present
from .processes import Cast, Pipe
from .wire import broker

AGENTS = ("planner", "writer", "critic", "editor")
REPLY = "x" * 500
ENDLESS = 1_000_000
START_SECONDS = 20.0


def agent(pipe: Pipe, address: str, name: str) -> None:
    """The process of a handler agent that always says the same 500 characters."""

    async def reply(message: ChatMessage, context: object) -> str:
        return REPLY

    async def main() -> None:
        pipe.send("starting")
        await serve_agent(address, Member(name=name), lambda client: reply, stop=asyncio.Event())

    asyncio.run(main())


def coordinating(pipe: Pipe, address: str, database: Path, synchronous: str) -> None:
    """The process of the coordinator. The product's transcript is always FULL; NORMAL is put in its place here, to compare."""
    connect = writer.connect

    def relaxed(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(path, read_only=read_only)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection

    if synchronous != "FULL":
        writer.connect = relaxed
    members = tuple(Member(name=name) for name in AGENTS)
    options = ChatOptions(members=members, selection="round_robin", max_rounds=ENDLESS, turn_seconds=60.0)
    asyncio.run(serve(address, options, database, stop=asyncio.Event(), ready=lambda: pipe.send("up")))


def assemble(cast: Cast, synchronous: str = "FULL") -> tuple[str, Path]:
    """Start broker, agents and coordinator; returns the broker's address and the transcript's database."""
    _, address = broker(cast)
    database = cast.directory / "transcript.sqlite"
    for name in AGENTS:
        cast.ready(agent, address, name)
    cast.ready(coordinating, address, database, synchronous)
    return address, database


def watching(pipe: Pipe, address: str, chats: int, turns: int) -> None:
    """Starts `chats` chats at once and says, for each, when each of its messages was seen (seconds, the opening first)."""

    async def hold(client: Client, number: int) -> list[float]:
        chat = f"bench-{number}"
        times: list[float] = []
        async with client.subscribe(f"chat.{chat}", since=0) as events:
            start = ChatStart(task=REPLY, chat=chat, max_rounds=turns + 1)
            await client.request(COORDINATOR, "chat.start", start, reply=ChatInfo, absent=START_SECONDS)
            async for event in events:
                match event.decode(ChatEvent):
                    case ChatEvent(type="message"):
                        times.append(time.perf_counter())
                    case ChatEvent(type="result"):
                        return times
        return times

    async def main() -> None:
        async with Client.connect(address, name="console-bec400") as client:
            await present(client, {*AGENTS, COORDINATOR})
            pipe.send(await asyncio.gather(*(hold(client, number) for number in range(chats))))

    asyncio.run(main())
    pipe.recv()
