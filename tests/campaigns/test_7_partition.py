"""A link that goes dead without a word: found within 8 s, healed within 5 s after it is back, nothing lost.

The recipient of letters lives in a network namespace of its own, joined by a veth pair; packets are dropped by iptables there.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import free_port, until

from rostra.broker.server import Server
from rostra.protocol import Client, Presence, Subscription
from rostra.protocol.keys import KeyRing

from .checker import Figures, check_mail
from .conftest import sized
from .peers import READER, SENDER, database

AT_ONCE = 5
"""Links that are cut at the same time."""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def spawn(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment)


class Link:
    """A network namespace with a link to this one; the number tells links of one run apart."""

    def __init__(self, number: int) -> None:
        self.space = f"rostra-{os.getpid()}-{number}"
        self.here, self.there = f"ros{os.getpid()}a{number}", f"ros{os.getpid()}b{number}"
        self.ours, self.theirs = f"10.213.77.{4 * number + 1}", f"10.213.77.{4 * number + 2}"

    def make(self) -> None:
        """Raises CalledProcessError where that is not possible."""
        run("ip", "netns", "add", self.space)
        run("ip", "link", "add", self.here, "type", "veth", "peer", "name", self.there, "netns", self.space)
        run("ip", "addr", "add", f"{self.ours}/30", "dev", self.here)
        run("ip", "link", "set", self.here, "up")
        run(*self.inside, "ip", "addr", "add", f"{self.theirs}/30", "dev", self.there)
        run(*self.inside, "ip", "link", "set", self.there, "up")

    def remove(self) -> None:
        for command in (("ip", "link", "del", self.here), ("ip", "netns", "del", self.space)):
            with contextlib.suppress(subprocess.CalledProcessError):
                run(*command)

    @property
    def inside(self) -> tuple[str, ...]:
        """What to put before a command so that it runs at the other end."""
        return ("ip", "netns", "exec", self.space)

    def filter(self, action: str, way: str) -> None:
        """Drop (`-I`) packets of one way, or let them through again (`-D`)."""
        run(*self.inside, "iptables", action, way, "-i" if way == "INPUT" else "-o", self.there, "-j", "DROP")


@pytest.fixture
def links() -> Iterator[list[Link]]:
    """As many as are cut at the same time."""
    made, reason = [Link(number) for number in range(AT_ONCE)], ""
    if os.getuid() != 0:
        reason = "network namespaces are root's"
    elif not (shutil.which("ip") and shutil.which("iptables")):
        reason = "ip and iptables are not there"
    try:
        for link in made if not reason else ():
            link.make()
    except subprocess.CalledProcessError as error:
        reason = f"{error.cmd}: {error.stderr.decode().strip()}"
    if not reason:
        yield made
    for link in made:
        link.remove()
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.mark.timeout(7200)
async def test_a_dead_link_is_found_and_healed(tmp_path: Path, links: list[Link], tell: Callable[[str], None]) -> None:
    """Cut both ways, or one way only: half-open. Several links at once, each to a broker of its own."""
    found, healed, letters = list[float](), list[float](), Figures()
    cuts = range(sized(2, 50))

    async def attack(number: int) -> None:
        nonlocal letters
        folder = tmp_path / str(number)
        folder.mkdir()
        letters += await _attacked(folder, links[number], cuts[number::AT_ONCE], found, healed)

    async with asyncio.TaskGroup() as group:
        for number in range(min(AT_ONCE, len(cuts))):
            group.create_task(attack(number))
    tell(f"partition: {len(found)} dead links, found after {_span(found)}, healed after {_span(healed)}; {letters}")
    assert len(found) == len(healed) == len(cuts)
    assert max(found) <= 8.0
    assert max(healed) <= 5.0


async def _attacked(folder: Path, link: Link, cuts: range, found: list[float], healed: list[float]) -> Figures:
    """Somebody writes letters over a link that is cut as often as `cuts` says; adds how long it took to find and to heal."""
    ring = KeyRing(folder / "keys")
    ring.create()
    for name in ("sue", "uma", "watcher"):
        ring.add(name)
    port = free_port()
    address = f"tcp://{link.ours}:{port}"
    server = Server(address, folder / "mail.db", keys=ring)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert await asyncio.to_thread(server.ready.wait, 20)
    database(str(folder / "uma.db"), READER).close()
    database(str(folder / "sue.db"), SENDER).close()
    environment = {**os.environ, "ROSTRA_KEYS": str(ring.directory)}
    peer = (sys.executable, "-m", "tests.campaigns.peers")
    uma = spawn([*link.inside, *peer, "read", address, "uma", str(folder / "uma.db")], environment)
    sue = spawn([*peer, "send", address, "sue", "uma", str(folder / "sue.db")], environment)
    loop = asyncio.get_running_loop()
    try:
        async with (
            Client.connect(address, name="watcher", keys=ring.directory) as watcher,
            watcher.subscribe("presence") as presence,
        ):
            await until(lambda: _count(folder / "uma.db") > 20, 60.0)
            for cut in cuts:
                ways = (("INPUT", "OUTPUT"), ("INPUT",), ("OUTPUT",))[cut % 3]
                for way in ways:
                    link.filter("-I", way)
                before = loop.time()
                await _uma_is(presence, online=False)
                found.append(loop.time() - before)
                for way in ways:
                    link.filter("-D", way)
                before, place = loop.time(), _count(folder / "uma.db")
                await until(lambda: _count(folder / "uma.db") > place, 30.0)  # noqa: B023
                healed.append(loop.time() - before)
                await _uma_is(presence, online=True)
        sue.terminate()
        await asyncio.to_thread(sue.wait, 60)

        def all_read() -> bool:
            with contextlib.suppress(AssertionError):
                check_mail(folder / "sue.db", folder / "uma.db", "sue")
                return True
            return False

        await until(all_read, 60.0)
    finally:
        for process in (sue, uma):
            process.kill()
            process.wait()
        server.stop()
        await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()
    return check_mail(folder / "sue.db", folder / "uma.db", "sue")


async def _uma_is(presence: Subscription, *, online: bool) -> None:
    async with asyncio.timeout(30):
        while (one := (await anext(presence)).decode(Presence)).name != "uma" or (one.state == "online") != online:
            pass


def _span(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"p50 {ordered[len(ordered) // 2]:.2f} s, max {ordered[-1]:.2f} s"


def _count(path: Path) -> int:
    with contextlib.closing(database(str(path), READER)) as db:
        number: int = db.execute("SELECT count(*) FROM read").fetchone()[0]
        return number
