"""Teams whose every reply is told apart, and whoever kills them."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from rostra.protocol.chat import ChatRef, Result
from rostra.team import Team
from rostra.team.places import Places

from .checker import Figures, check_calls, check_mail, check_nothing_left, check_transcript
from .peers import READER, SENDER, database

AGENTS = ("ada", "ben", "cyd")
TEAM = """
[team]
name = "chaos"
[chat]
selection = "{selection}"
max_rounds = {rounds}
[models.default]
api = "scripted"
script = "script.toml"
"""


def produced(speaker: str, number: int) -> str:
    """What a speaker says as its n-th message."""
    return f"{speaker} {number}"


def a_team(folder: Path, rounds: int, delay: float, selection: str = "round_robin") -> Path:
    """Three assistants that count, in turn or all at once."""
    folder.mkdir(parents=True, exist_ok=True)
    table = '[agents.{}]\nkind = "assistant"\nsystem_message = "You count."\nmax_replies = 100000\n'
    members = "".join(map(table.format, AGENTS))
    (folder / "team.toml").write_text(TEAM.format(rounds=rounds, selection=selection) + members)
    replies = {
        name: "".join(f'  {{ text = "{produced(name, n)}", delay = {delay} }},\n' for n in range(1, rounds // 3 + 3))
        for name in AGENTS
    }
    (folder / "script.toml").write_text("".join(f"{name} = [\n{said}]\n" for name, said in replies.items()))
    return folder / "team.toml"


class Peer:
    """One of the programs in `peers.py`, started again when it was killed."""

    def __init__(self, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "tests.campaigns.peers", *arguments]
        self.process = subprocess.Popen(self._command)
        self._environment = {name: value for name, value in os.environ.items() if name != "ROSTRA_FAILPOINT"}

    def start(self) -> None:
        """Start it (again). Where it was to die is for its first life only."""
        self.process = subprocess.Popen(self._command, env=self._environment)

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()

    async def stop(self) -> None:
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, 90)


@dataclass
class Chaos:
    """A team in mid-chat with two who write letters to a third, and the one who kills."""

    team: Team
    folder: Path
    random: random.Random
    figures: Figures = field(default_factory=Figures)
    kills: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    result: Result | None = None
    peers: dict[str, Peer] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    chat: str = "chaos"

    async def follow(self) -> None:
        """Count the messages as an observer sees them: in order, without a gap."""
        async for event in self.team.stream("Count.", chat=self.chat):
            self.result = getattr(event, "result", None) or self.result
            if getattr(event, "type", "") == "message":
                self.messages += 1
                assert event.sequence == self.messages, "the observer missed a message"
                self.moved.set()

    def revive(self) -> None:
        """Start again whichever peer has died by itself."""
        for peer in self.peers.values():
            if peer.process.poll() is not None:
                peer.kill()

    async def kill(self, victim: str) -> None:
        """Kill -9, then wait for the next message: that is what a recovery is."""
        supervisor = self.team.supervisor
        assert supervisor is not None
        loop = asyncio.get_running_loop()
        if victim in self.peers:
            self.peers[victim].kill()
        else:
            pid = supervisor.pid(victim)
            if not pid:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kills[victim] += 1
        before = loop.time()
        self.moved.clear()
        async with asyncio.timeout(60):
            await self.moved.wait()
        if victim not in self.peers:
            self.figures.seconds.append(loop.time() - before)

    async def cut_power(self) -> None:
        """Kill -9 of all processes of the team at once (not of those who write letters), then wait for the next message.

        When all are ready: a process that dies again and again while it begins is given up, as it should be.
        """
        supervisor = self.team.supervisor
        assert supervisor is not None
        async with asyncio.timeout(60):
            await supervisor.ready()
        loop = asyncio.get_running_loop()
        for key in supervisor.jobs:
            if pid := supervisor.pid(key):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                self.kills[key] += 1
        before = loop.time()
        self.moved.clear()
        async with asyncio.timeout(90):
            await self.moved.wait()
        self.figures.seconds.append(loop.time() - before)

    def write_letters(self, address: str) -> None:
        """Begin to."""
        database(str(self.folder / "uma.db"), READER).close()
        for name in ("sue", "tom"):
            database(str(self.folder / f"{name}.db"), SENDER).close()
            self.peers[name] = Peer("send", address, name, "uma", str(self.folder / f"{name}.db"))
        self.peers["uma"] = Peer("read", address, "uma", str(self.folder / "uma.db"))


@contextlib.asynccontextmanager
async def chaos(
    folder: Path,
    seed: int,
    *,
    rounds: int = 3000,
    delay: float = 0.02,
    mail: bool = True,
    selection: str = "round_robin",
) -> AsyncIterator[Chaos]:
    """A team under attack as long as the context is open; afterwards everything is checked, and the figures are in it."""
    file, places = a_team(folder, rounds, delay, selection), Places.here({"ROSTRA_HOME": str(folder / "home")})
    async with Team.load(file, places=places, record=folder / "record.jsonl") as team:
        assert team.supervisor is not None
        one = Chaos(team, folder, random.Random(seed))
        following = asyncio.create_task(one.follow())
        pids = []
        try:
            if mail:
                one.write_letters(team.supervisor.jobs["broker"].address)
            async with asyncio.timeout(60):
                await one.moved.wait()
                while mail and not _letters(folder):  # noqa: ASYNC110 - it is another process that reads
                    await asyncio.sleep(0.02)
            yield one
            if following.done():
                following.result()
            one.revive()
            for name in ("sue", "tom") if mail else ():
                await one.peers[name].stop()
            await team.client.request("coordinator", "chat.stop", ChatRef(chat=one.chat), timeout=60.0, absent=30.0)
            async with asyncio.timeout(30):
                await following
            if mail:
                await _read_everything(one)
                await one.peers["uma"].stop()
        finally:
            following.cancel()
            for peer in one.peers.values():
                if peer.process.poll() is None:
                    peer.process.kill()
                    peer.process.wait()
            pids = [team.supervisor.pid(key) for key in team.supervisor.jobs] + [peer.pid for peer in one.peers.values()]
    transcript = next((folder / "home" / "data").glob("*/*/transcript.db"))
    one.figures += check_transcript(transcript, produced=produced)
    assert one.figures.counts["messages"] == one.messages, "the observer saw other messages than the transcript has"
    excused = sum(one.kills[name] for name in (*AGENTS, "models"))
    one.figures += check_calls(folder / "record.jsonl", one.messages - 1, excused)
    if mail:
        for name in ("sue", "tom"):
            one.figures += check_mail(folder / f"{name}.db", folder / "uma.db", name)
    check_nothing_left([folder], filter(None, pids))
    one.figures.counts["kills"] += sum(one.kills.values())


def _letters(folder: Path) -> int:
    """How many have been read."""
    with contextlib.closing(database(str(folder / "uma.db"), READER)) as db:
        number: int = db.execute("SELECT count(*) FROM read").fetchone()[0]
        return number


async def _read_everything(one: Chaos) -> None:
    """Wait until the recipient has read whatever was confirmed."""
    for name in ("sue", "tom"):
        async with asyncio.timeout(60):
            while True:
                try:
                    check_mail(one.folder / f"{name}.db", one.folder / "uma.db", name)
                except AssertionError as error:
                    if "never read" not in str(error):
                        raise
                    await asyncio.sleep(0.1)
                    continue
                break
