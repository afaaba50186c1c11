"""A broker in a process of its own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

BROKER = """
import resource, signal, sys, threading
from pathlib import Path
from rostra.broker.server import Server
server = Server(sys.argv[1], Path(sys.argv[2]))
signal.signal(signal.SIGTERM, lambda *_: server.stop())

def limit(room):
    server.ready.wait()
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (used + room, used + room))

if int(sys.argv[3]):
    threading.Thread(target=limit, args=[int(sys.argv[3])], daemon=True).start()
print("ready", flush=True)
server.run()
"""


class Broker:
    """A broker on a socket in `folder`. `mail`: its database; `room`: bytes of memory it may take beside what it begins with."""

    def __init__(self, folder: Path, *, mail: Path | None = None, room: int = 0) -> None:
        self.address, self._mail, self._room = f"ipc://{folder}/bus", mail or folder / "mail.db", room
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        command = [sys.executable, "-c", BROKER, self.address, str(self._mail), str(self._room)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if self._room else None)
        assert self.process.stdout is not None
        self.process.stdout.readline()  # from here on SIGTERM is heeded
        self.process.stdout.close()

    def rss(self) -> float:
        """Its memory in MB."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

    async def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 30)
