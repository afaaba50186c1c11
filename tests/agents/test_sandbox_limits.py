"""Code in the sandbox is held to its processes, memory, disk, output and time, and leaves nothing behind."""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import until

from rostra.agents.code import CodeRunner, watch

from .coding import BOUND, FORKS, python, shell

pytestmark = pytest.mark.usefixtures("sandbox")


async def test_a_fork_bomb_is_held_to_its_number_of_processes() -> None:
    status, output = await python(FORKS, processes=40)
    assert (status, 10 < int(output) < 40) == (0, True)
    status, _ = await shell(":(){ :|:& };:; wait", seconds=2)
    assert status is not None


async def test_a_memory_bomb_gets_a_memory_error() -> None:
    status, output = await python("x = bytearray(10**9)", memory_mb=256)
    assert status == 1
    assert "MemoryError" in output


async def test_processes_together_are_held_to_the_memory_too() -> None:
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(os.urandom(1 << 20)) * 60
        time.sleep(60)
time.sleep(60)
"""
    status, output = await python(code, memory_mb=128)
    assert status != 0
    assert "more than 128 MiB of memory together" in output


async def test_memory_that_processes_share_counts_too() -> None:
    code = """
import mmap, os, time
shared = mmap.mmap(-1, 400 << 20)
for _ in range(4):
    if os.fork() == 0:
        for place in range(0, len(shared), 4096):
            shared[place] = 1
        time.sleep(60)
time.sleep(60)
"""
    status, output = await python(code, memory_mb=128)
    assert status != 0
    assert "more than 128 MiB of memory together" in output or "MemoryError" in output or "Cannot allocate" in output


@pytest.mark.parametrize("place", ["/sandbox", "/tmp", "/dev/shm"])
async def test_every_writable_place_is_bounded(place: str) -> None:
    code = f"""
import errno
written = 0
try:
    for number in range(100):
        with open(f"{place}/big{{number}}", "wb", buffering=0) as out:
            for _ in range(4):
                written += out.write(bytes(1 << 20))
except OSError as error:
    assert error.errno == errno.ENOSPC, error
print(written <= 17 << 20)
"""
    assert await python(code, scratch_mb=8) == (0, "True\n")


async def test_countless_small_files_end_the_block() -> None:
    code = "import os\nfor number in range(10**7):\n    os.close(os.open(f'/tmp/{number}', os.O_CREAT))"
    status, output = await python(code, seconds=50)
    assert status != 0
    assert "files" in output


async def test_a_busy_loop_is_ended_when_its_time_is_over() -> None:
    begun = time.monotonic()
    assert await python("while True: pass", seconds=1) == (124, "(ended: it ran for more than 1 s)\n")
    assert time.monotonic() - begun < 30


async def test_a_flood_of_output_is_cut_and_ended() -> None:
    status, output = await shell("yes", output_kb=4, seconds=50)
    assert status != 0
    assert len(output) < 4096 + 200
    assert "bytes are left out" in output
    assert "it wrote more than" in output


async def test_the_beginning_and_the_end_of_long_output_are_kept() -> None:
    status, output = await python("print('first')\nprint('x' * 10_000)\nprint('last')", output_kb=1)
    assert status == 0
    assert output.startswith("first")
    assert output.endswith("last\n")
    assert len(output) < 1200


async def test_survivors_of_a_block_are_gone_with_it(runner: CodeRunner) -> None:
    mark = f"rostra-survivor-{os.getpid()}"
    code = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time, signal; time.sleep(600)", "{mark}"])
    os._exit(0)
os.wait()
print("done")
"""
    assert await python(code, runner, "one") == (0, "done\n")
    assert not _alive(mark)


async def test_a_sandbox_dies_with_its_agent() -> None:
    mark = f"rostra-orphan-{os.getpid()}"
    block = f"import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}])"
    agent = (
        "import asyncio, sys\nfrom rostra.agents.code import CodeExecution, CodeRunner, CodeBlock\n"
        "asyncio.run(CodeRunner(CodeExecution(seconds=600)).run([CodeBlock('python', sys.argv[1])]))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", agent, block)
    await until(lambda: bool(_alive(mark)), BOUND)
    process.kill()
    await process.wait()
    await until(lambda: not _alive(mark), BOUND)


async def test_a_block_that_kills_everything_it_can_ends_only_itself(runner: CodeRunner) -> None:
    status, _ = await python("import os, signal\nos.kill(-1, signal.SIGKILL)\nos.kill(1, signal.SIGKILL)", runner, "one")
    assert status != 0
    assert await python("print('again')", runner, "one") == (0, "again\n")


async def test_a_block_that_stops_its_keeper_is_ended_from_outside() -> None:
    code = "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nimport time\ntime.sleep(600)"
    status, output = await python(code, seconds=0.5)
    assert (status, output) == (124, "(ended: it ran for more than 0.5 s)\n")


async def test_a_cancelled_run_leaves_no_process() -> None:
    before = set(watch.tree(os.getpid()))
    running = asyncio.create_task(python("import time\nprint('x', flush=True)\ntime.sleep(600)", seconds=100))
    await until(lambda: len(set(watch.tree(os.getpid())) - before) >= 3, BOUND)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert set(watch.tree(os.getpid())) <= before


def _alive(mark: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mark in Path("/proc", pid, "cmdline").read_text().split("\0"):
                found.append(pid)
    return found
