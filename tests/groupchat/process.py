"""A coordinator as a process of its own. Run as a program: the broker's address, the database, the admin (or nothing)."""

import asyncio
import sys
from pathlib import Path

from rostra.groupchat import serve

from .team import options


async def main(address: str, database: str, admin: str = "") -> None:
    """Be the coordinator until a signal ends it."""
    chosen = options("a", "b", "boss", max_rounds=4, admin=admin, turn_seconds=60.0)
    ready = lambda: print("ready", flush=True)  # noqa: E731
    await serve(address, chosen, Path(database), stop=asyncio.Event(), ready=ready, signals=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
