"""SIGINT and SIGTERM to a coordinator at random instants: people have the floor at once, and no turn is lost or doubled."""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.groupchat.console import control, intact, messages, reach, records
from tests.groupchat.process import Process
from tests.groupchat.team import Speaker, info, start
from tests.processes import broker

from rostra.protocol import ChatMessage, Client, Refused, Turn, TurnReply
from rostra.protocol.chat import ChatEvent

from .conftest import sized

ROUNDS = 4
PROMPT = 0.5
"""Seconds within which somebody has the floor."""


class Signals:
    """Signals to one coordinator after the other, each with the admin `admin` (or none)."""

    def __init__(self, address: str, database: Path, console: Client, admin: str, chance: random.Random) -> None:
        self._address, self._database, self._console = address, database, console
        self._admin, self._chance = admin, chance
        self._process: Process | None = None
        self.waits: list[float] = []
        """Seconds until somebody had the floor,"""
        self.ends: list[float] = []
        """or until the process was gone, which is what a signal asks for that finds nobody to give it to."""
        self.counts: Counter[str] = Counter()

    async def _running(self) -> Process:
        if self._process is None:
            self._process = await Process(self._address, self._database, self._admin).__aenter__()
        return self._process

    async def aclose(self) -> None:
        """End the last one."""
        if self._process is not None:
            await self._process.__aexit__()

    async def _gone(self) -> None:
        process = await self._running()
        assert await process.ended() == 0
        self._process = None

    async def hold(self, chat: str, number: signal.Signals) -> None:
        """Hold a chat that is interrupted at some instant; everything of it must be there in the end."""
        process, console = await self._running(), self._console
        async with console.subscribe(f"chat.{chat}") as events:
            await start(console, chat=chat)
            await asyncio.sleep(self._chance.random() * 0.04)
            began = time.perf_counter()
            process.signal(number)
            floor = asyncio.ensure_future(self._floor(events))
            ended = asyncio.ensure_future(process.process.wait())
            await asyncio.wait([floor, ended], timeout=30, return_when=asyncio.FIRST_COMPLETED)
            assert floor.done() or ended.done()
            took = time.perf_counter() - began
            told = floor.result() if floor.done() else "end of the process"
            for task in (floor, ended):
                task.cancel()
            await asyncio.gather(floor, ended, return_exceptions=True)
        self.counts[told] += 1
        if told == "floor":
            self.waits.append(took)
        elif told == "end of the process":
            self.ends.append(took)
        await self._afterwards(chat, number, told)

    async def _floor(self, events: object) -> str:
        async for event in events:  # type: ignore[attr-defined]
            seen = event.decode(ChatEvent)
            if seen.type == "result":
                return "end of the chat"
            if seen.control is not None and seen.control.what == "takeover":
                return "floor"
        raise AssertionError

    async def _afterwards(self, chat: str, number: signal.Signals, told: str) -> None:
        process, console = await self._running(), self._console
        if told == "end of the chat":  # the signal found nothing to interrupt, or comes yet: both end the process
            process.signal(number)
            await self._gone()
        elif told == "end of the process":
            await self._gone()
        elif self._chance.random() < 0.5:
            process.signal(self._chance.choice((signal.SIGINT, signal.SIGTERM)))
            await self._gone()
            self.counts["second signals"] += 1
        await self._running()
        if told == "floor":
            with contextlib.suppress(Refused):  # of what goes on anyway
                await control(console, "resume", chat)
        found = await reach(console, "ended", chat=chat)
        assert found.result is not None
        assert (found.messages, found.result.outcome) == (ROUNDS, "limit")
        said = await messages(console, chat)
        assert len(said) == ROUNDS
        turns = [row.turn for row in (await records(console, chat)).records if row.kind == "turn" and row.state == "done"]
        assert len(turns) == len(set(turns)) == ROUNDS - 1
        assert (await info(console, chat)).messages == ROUNDS
        await intact(console, chat)


@pytest.mark.timeout(7200)
async def test_people_have_the_floor_at_once_whenever_the_signal_comes(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """With an admin and without, SIGINT and SIGTERM: each case has a bus of its own."""
    cases = [(admin, number) for admin in ("boss", "") for number in (signal.SIGINT, signal.SIGTERM)]
    waits: list[float] = []
    ends: list[float] = []
    counts: Counter[str] = Counter()
    places = asyncio.Semaphore(2)  # for how long somebody waits for the floor is measured

    async def attack(place: int, admin: str, number: signal.Signals) -> None:
        async with places:
            one = await _signalled(tmp_path / str(place), admin, number, sized(200, 2000) // len(cases), random.Random(7 + place))
        waits.extend(one.waits)
        ends.extend(one.ends)
        counts.update(one.counts)

    for place in range(len(cases)):
        (tmp_path / str(place)).mkdir()
    async with asyncio.TaskGroup() as group:
        for place, (admin, number) in enumerate(cases):
            group.create_task(attack(place, admin, number))
    speeches = counts.pop("speeches")
    tell(
        f"signals: {dict(counts)}; people had the floor after {_spread(waits)}, the process was gone after {_spread(ends)}; "
        f"{speeches:,} turns were asked for, none lost or doubled"
    )
    assert len(waits) + len(ends) >= sized(200, 2000) * 0.5
    assert _share(waits, 0.99) < PROMPT


async def _signalled(folder: Path, admin: str, number: signal.Signals, count: int, chance: random.Random) -> Signals:
    """`count` chats, each of which meets a signal."""
    async with contextlib.AsyncExitStack() as stack:
        _, address = await stack.enter_async_context(broker(folder))
        clients = {
            name: await stack.enter_async_context(Client.connect(address, name=name)) for name in ("a", "b", "boss", "console-1")
        }
        one = Signals(address, folder / "chats.db", clients["console-1"], admin, chance)

        async def hesitant(turn: Turn) -> TurnReply:
            one.counts["speeches"] += 1
            await asyncio.sleep(chance.random() * 0.03)
            return TurnReply(message=ChatMessage(content=f"{turn.chat} at {turn.sequence}"))

        for name in ("a", "b", "boss"):
            Speaker(clients[name], hesitant)
        try:
            for chat in range(count):
                await one.hold(f"c-{chat}", number)
                one.counts[number.name] += 1
        finally:
            await one.aclose()
    return one


def _share(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(len(seconds) * share)]


def _spread(seconds: list[float]) -> str:
    p50, p99 = (_share(seconds, share) * 1000 for share in (0.5, 0.99))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, max {max(seconds) * 1000:.0f} ms"
