"""A coordinator as a process of its own. Run as a program: the broker's address, the database, the admin (or nothing)."""

import asyncio
import signal
import sys
from pathlib import Path

from rostra.groupchat import serve

from .team import options


async def main(address: str, database: str, admin: str = "") -> None:
    """Be the coordinator until a signal ends it."""
    chosen = options("a", "b", "boss", max_rounds=4, admin=admin, turn_seconds=60.0)
    ready = lambda: print("ready", flush=True)  # noqa: E731
    await serve(address, chosen, Path(database), stop=asyncio.Event(), ready=ready, signals=True)


class Process:
    """A coordinator as a process."""

    def __init__(self, address: str, database: Path, admin: str) -> None:
        self._arguments = [address, str(database), admin]

    async def __aenter__(self) -> "Process":
        program = [sys.executable, "-m", "tests.groupchat.process", *self._arguments]
        root = Path(__file__).parents[2]
        self.process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE, cwd=root)
        assert self.process.stdout is not None
        assert await asyncio.wait_for(self.process.stdout.readline(), 60) == b"ready\n"
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code."""
        return await asyncio.wait_for(self.process.wait(), 30)

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
