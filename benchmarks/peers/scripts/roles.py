"""What the peers' scripts share: forked processes with pipes, timing, and the last line. Standard library only."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import sys
import time
import traceback

_fork = multiprocessing.get_context("fork")
IN_FLIGHT = 64


class Role:
    """A forked process that runs `play(pipe, …)`."""

    def __init__(self, play, *arguments):
        self.pipe, theirs = _fork.Pipe()
        self.process = _fork.Process(target=_run, args=(play, theirs, arguments), daemon=True)
        self.process.start()

    def hear(self, seconds=120):
        if not self.pipe.poll(seconds):
            raise TimeoutError("a process said nothing")
        return self.pipe.recv()

    def tell(self, word=None):
        self.pipe.send(word)

    def end(self):
        if self.process.is_alive():
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


def _run(play, pipe, arguments):
    code = 0
    try:
        play(pipe, *arguments)
    except Exception:  # noqa: BLE001 - the outermost boundary of this process
        traceback.print_exc()
        code = 1
    os._exit(code)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


async def drive(ask, count):
    """Ask one by one, then with 64 in flight."""
    durations = []
    for number in range(count // 4 + 50):
        began = time.perf_counter_ns()
        await ask()
        if number >= 50:
            durations.append(time.perf_counter_ns() - began)
    turns = iter(range(count))

    async def worker():
        for _ in turns:
            await ask()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    seconds = time.perf_counter() - began
    durations.sort()
    return {
        "asks_s": count / seconds,
        "p50_us": durations[len(durations) // 2] / 1e3,
        "p99_us": durations[int(len(durations) * 0.99)] / 1e3,
    }


def main(cases):
    """Run the case that the arguments name and print what it measured."""
    arguments = json.loads(sys.argv[1])
    print("\n" + json.dumps(cases[arguments.pop("case")](**arguments)), flush=True)
    os._exit(0)
