"""Programs that send and read letters, and keep their own record of it; they are made to be killed at any instant.

python peers.py send ADDRESS NAME TO DATABASE     until SIGTERM
python peers.py read ADDRESS NAME DATABASE        until SIGTERM
"""

import asyncio
import signal
import sqlite3
import sys
from typing import Any

from rostra.protocol import Client
from rostra.protocol.effects import Lettered
from rostra.protocol.errors import RequestError
from rostra.protocol.frames import encode_body
from rostra.protocol.service import Service

SENDER = """
CREATE TABLE IF NOT EXISTS attempted (number INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS confirmed (number INTEGER PRIMARY KEY);
"""
READER = """
CREATE TABLE IF NOT EXISTS read (place INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT, number INTEGER);
CREATE TABLE IF NOT EXISTS mark (sender TEXT, epoch BLOB, high INTEGER, PRIMARY KEY (sender, epoch));
"""


def database(path: str, schema: str) -> sqlite3.Connection:
    """Opened as its owner would who wants to survive kill -9, not power cuts: each statement is a transaction."""
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")
    db.executescript(schema)
    return db


async def send(address: str, name: str, to: str, path: str, stop: asyncio.Event) -> None:
    """Tell `to` one number after the other; a number whose fate is not known after a restart is not used again."""
    db = database(path, SENDER)
    (number,) = db.execute("SELECT coalesce(max(number), 0) FROM attempted").fetchone()
    async with Client.connect(address, name=name) as bus:
        telling: set[asyncio.Task[None]] = set()

        async def tell(number: int) -> None:
            try:
                await bus.tell_raw(to, encode_body(number), timeout=60.0)
            except RequestError:
                return
            db.execute("INSERT INTO confirmed VALUES (?)", (number,))

        while not stop.is_set() and not bus.ended.done():
            number += 1
            db.execute("INSERT INTO attempted VALUES (?)", (number,))
            task = asyncio.create_task(tell(number))
            telling.add(task)
            task.add_done_callback(telling.discard)
            await asyncio.sleep(0.005)
        if telling:
            await asyncio.wait(telling, timeout=60)


async def read(address: str, name: str, path: str, stop: asyncio.Event) -> None:
    """Write each letter down once: the mark that tells a double is in the transaction of its effect."""
    db = database(path, READER)

    async def write(number: int, letter: Lettered) -> None:
        db.execute("BEGIN")
        found = db.execute("SELECT high FROM mark WHERE sender = ? AND epoch = ?", (letter.sender, letter.epoch)).fetchone()
        if found is None or letter.sequence > found[0]:
            db.execute("INSERT INTO read (sender, number) VALUES (?, ?)", (letter.sender, number))
            db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?)", (letter.sender, letter.epoch, letter.sequence))
        db.execute("COMMIT")

    async with Client.connect(address, name=name) as bus:
        service = Service(bus)
        service.mail(int, write)
        stopping = asyncio.create_task(stop.wait())
        waiting: list[asyncio.Future[Any]] = [stopping, bus.ended]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await service.drain(5.0)


async def main() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    match sys.argv[1:]:
        case ["send", address, name, to, path]:
            await send(address, name, to, path, stop)
        case ["read", address, name, path]:
            await read(address, name, path, stop)


if __name__ == "__main__":
    asyncio.run(main())
