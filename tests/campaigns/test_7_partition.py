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
from rostra.protocol import Client, Presence
from rostra.protocol.keys import KeyRing

from .checker import check_mail
from .conftest import sized
from .peers import READER, SENDER, database

SPACE, OURS, THEIRS = f"rostra-{os.getpid()}", "10.213.77.1", "10.213.77.2"
HERE, THERE = f"ros{os.getpid()}a", f"ros{os.getpid()}b"


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def spawn(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment)


@pytest.fixture
def link() -> Iterator[None]:
    """A namespace with a link to this one."""
    reason = ""
    if os.getuid() != 0:
        reason = "network namespaces are root's"
    elif not (shutil.which("ip") and shutil.which("iptables")):
        reason = "ip and iptables are not there"
    else:
        try:
            run("ip", "netns", "add", SPACE)
            run("ip", "link", "add", HERE, "type", "veth", "peer", "name", THERE, "netns", SPACE)
            run("ip", "addr", "add", f"{OURS}/30", "dev", HERE)
            run("ip", "link", "set", HERE, "up")
            run("ip", "netns", "exec", SPACE, "ip", "addr", "add", f"{THEIRS}/30", "dev", THERE)
            run("ip", "netns", "exec", SPACE, "ip", "link", "set", THERE, "up")
        except subprocess.CalledProcessError as error:
            reason = f"{error.cmd}: {error.stderr.decode().strip()}"
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    yield
    for command in (("ip", "link", "del", HERE), ("ip", "netns", "del", SPACE)):
        with contextlib.suppress(subprocess.CalledProcessError):
            run(*command)


def _filter(action: str, way: str) -> None:
    run("ip", "netns", "exec", SPACE, "iptables", action, way, "-i" if way == "INPUT" else "-o", THERE, "-j", "DROP")


@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("link")
async def test_a_dead_link_is_found_and_healed(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """Cut both ways, or one way only: half-open."""
    ring = KeyRing(tmp_path / "keys")
    ring.create()
    for name in ("sue", "uma", "watcher"):
        ring.add(name)
    port = free_port()
    server = Server(f"tcp://{OURS}:{port}", tmp_path / "mail.db", keys=ring)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert await asyncio.to_thread(server.ready.wait, 20)
    database(str(tmp_path / "uma.db"), READER).close()
    database(str(tmp_path / "sue.db"), SENDER).close()
    environment = {**os.environ, "ROSTRA_KEYS": str(ring.directory)}
    peers = "tests.campaigns.peers"
    inside = ("ip", "netns", "exec", SPACE, sys.executable, "-m", peers)
    uma = spawn([*inside, "read", f"tcp://{OURS}:{port}", "uma", str(tmp_path / "uma.db")], environment)
    here = (sys.executable, "-m", peers)
    sue = spawn([*here, "send", f"tcp://{OURS}:{port}", "sue", "uma", str(tmp_path / "sue.db")], environment)
    found, healed = list[float](), list[float]()
    loop = asyncio.get_running_loop()

    def read() -> int:
        return check_mail(tmp_path / "sue.db", tmp_path / "uma.db", "sue").counts["letters read"]

    try:
        async with (
            Client.connect(f"tcp://{OURS}:{port}", name="watcher", keys=ring.directory) as watcher,
            watcher.subscribe("presence") as presence,
        ):
            await until(lambda: _count(tmp_path / "uma.db") > 20)
            for lot in range(sized(2, 50)):
                ways = (("INPUT", "OUTPUT"), ("INPUT",), ("OUTPUT",))[lot % 3]
                for way in ways:
                    _filter("-I", way)
                before = loop.time()
                async with asyncio.timeout(30):
                    while (one := (await anext(presence)).decode(Presence)).name != "uma" or one.state == "online":
                        pass
                found.append(loop.time() - before)
                for way in ways:
                    _filter("-D", way)
                before, place = loop.time(), _count(tmp_path / "uma.db")
                await until(lambda: _count(tmp_path / "uma.db") > place, 30.0)  # noqa: B023
                healed.append(loop.time() - before)
        sue.terminate()
        await asyncio.to_thread(sue.wait, 60)

        def all_read() -> bool:
            with contextlib.suppress(AssertionError):
                return read() >= 0
            return False

        await until(all_read, 60.0)
    finally:
        for process in (sue, uma):
            process.kill()
            process.wait()
        server.stop()
        await asyncio.to_thread(thread.join, 20)
    letters = check_mail(tmp_path / "sue.db", tmp_path / "uma.db", "sue")
    tell(f"partition: {len(found)} dead links, found after {_span(found)}, healed after {_span(healed)}; {letters}")
    assert max(found) <= 8.0
    assert max(healed) <= 5.0


def _span(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"p50 {ordered[len(ordered) // 2]:.2f} s, max {ordered[-1]:.2f} s"


def _count(path: Path) -> int:
    with contextlib.closing(database(str(path), READER)) as db:
        number: int = db.execute("SELECT count(*) FROM read").fetchone()[0]
        return number
