"""The least an agent process can be: an interpreter with zmq, msgspec and asyncio, and a DEALER that connects."""

import subprocess
import sys
import time

from benchmarks.machine import cpu_seconds, memory
from benchmarks.measure import Sample

SOURCE = """
import asyncio, sys
import msgspec
import zmq
async def main():
    socket = zmq.Context().socket(zmq.DEALER)
    socket.linger = 0
    socket.connect(sys.argv[1])
    sys.stdout.write("up"); sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


def process(address: str) -> Sample:
    """CPU time until it is up, the time it took, and its memory then."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", SOURCE, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.read(2)
        took = time.perf_counter() - began
        sample = {"cpu_ms": cpu_seconds(child.pid) * 1e3, "ready_ms": took * 1e3, **memory(child.pid)}
        child.stdin.close()
        child.wait(10)
    return sample
