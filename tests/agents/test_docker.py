"""Code in containers: the same as in the other sandbox, and nothing of it gets out. Needs a Docker daemon and the image."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.conftest import until

from rostra.agents.code import CodeExecution, CodeRunner, SandboxUnavailable, docker, find_blocks

from .coding import FORKS

BOUND = 90.0
needs_docker = pytest.mark.docker


@pytest.fixture
async def daemon() -> None:
    """There is a daemon with the image: else the test is skipped, but fails on CI."""
    try:
        await docker.probe(CodeExecution().image)
    except SandboxUnavailable as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@pytest.fixture
async def runner(daemon: None) -> AsyncIterator[CodeRunner]:
    one = CodeRunner(CodeExecution(sandbox="docker", seconds=20))
    yield one
    one.close()


async def run(
    code: str, runner: CodeRunner | None = None, chat: str = "", mark: str = "python", **options: object
) -> tuple[int, str]:
    one = runner or CodeRunner(msgspec.convert({"sandbox": "docker", "seconds": 20, **options}, CodeExecution))
    async with asyncio.timeout(BOUND):
        return await one.run(find_blocks(f"```{mark}\n{code}\n```"), chat)


def containers() -> str:
    """Those of ours that are there."""
    return subprocess.run(
        ["docker", "ps", "-aq", "--filter", "label=rostra=code"], capture_output=True, text=True, check=True
    ).stdout


@needs_docker
async def test_blocks_run_in_containers_and_share_a_work_directory(runner: CodeRunner) -> None:
    assert await run("import sys\nprint('one')\nprint('two', file=sys.stderr)\nopen('a', 'w').write('kept')", runner, "c") == (
        0,
        "one\ntwo\n",
    )
    assert await run("cat a; exit 3", runner, "c", mark="sh") == (3, "kept")
    assert (await run("open('a')", runner, "d"))[0] == 1
    await until(lambda: containers() == "", BOUND)  # the daemon removes what was killed when it likes


@needs_docker
async def test_a_container_has_no_network_no_rights_and_nothing_of_this_machine(
    runner: CodeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2")
    (tmp_path / "secret").write_text("hunter2")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        code = f"""
import os, socket
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(*(status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")), os.getuid() > 1000)
print([name for name in os.environ if "SECRET" in name], os.path.exists({str(tmp_path / "secret")!r}))
for address in (("127.0.0.1", {server.getsockname()[1]}), ("192.0.2.1", 80)):
    try:
        socket.create_connection(address, 5)
        print("connected")
    except OSError as error:
        print(type(error).__name__)
try:
    socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))
    print("sent")
except OSError as error:
    print("not sent")
print(os.listdir("/sys/class/net"), os.path.exists("/var/run/docker.sock"))
for path in ("/x", "/usr/x", "/etc/x", "/dev/x", "/proc/sys/kernel/hostname"):
    try:
        open(path, "w")
        print("written", path)
    except OSError:
        pass
"""
        status, output = await run(code, runner)
    none = "0000000000000000"
    lines = output.splitlines()
    assert (status, lines[0], lines[1]) == (0, f"{none} {none} 1 2 True", "[] False"), output
    assert lines[2] == "ConnectionRefusedError"
    assert lines[3] in ("OSError", "TimeoutError")
    assert lines[4:] == ["not sent", "['lo'] False"]


HOLD = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(os.urandom(1 << 20)) * 60
        time.sleep(5)
        os._exit(0)
print("killed:", 9 in [os.wait()[1] for _ in range(8)])
"""


@needs_docker
@pytest.mark.usefixtures("daemon")
async def test_memory_processes_disk_output_and_time_are_limited() -> None:
    status, output = await run(HOLD, memory_mb=96, scratch_mb=1)
    assert (status, output) == (0, "killed: True\n") or status == 137, output
    status, output = await run("x = bytearray(10**9)", memory_mb=128)
    assert (status, "MemoryError" in output) == (1, True)
    status, output = await run(FORKS, processes=40)
    assert (status, 20 < int(output) < 40) == (0, True)
    full = "import errno\ntry:\n  open('a', 'wb').write(bytes(20 << 20))\nexcept OSError as error: print(error.errno in (27, 28))"
    status, output = await run(full, scratch_mb=8)
    assert output == "True\n"
    status, output = await run("yes", mark="sh", output_kb=4, seconds=50)
    assert status != 0
    assert "it wrote more than" in output
    assert await run("while True: pass", seconds=1) == (124, "(ended: it ran for more than 1 s)\n")
    await until(lambda: containers() == "", BOUND)  # the daemon removes what was killed when it likes


@needs_docker
async def test_survivors_are_gone_and_what_stops_its_keeper_is_ended(runner: CodeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "STARTING", 5.0)
    left = "import os, time\nif os.fork() == 0:\n  os.setsid()\n  time.sleep(600)\nprint('done')"
    assert await run(left, runner, "c") == (0, "done\n")
    code = "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(600)"
    status, _ = await run(code, seconds=0.5)
    assert status == 124
    await until(lambda: containers() == "", BOUND)  # the daemon removes what was killed when it likes


@needs_docker
@pytest.mark.usefixtures("daemon")
async def test_a_container_ends_with_its_agent_and_with_a_cancelled_run() -> None:
    code = "import time\ntime.sleep(600)"
    agent = (
        "import asyncio, sys\nfrom rostra.agents.code import CodeExecution, CodeRunner, CodeBlock\n"
        "asyncio.run(CodeRunner(CodeExecution(sandbox='docker', seconds=600)).run([CodeBlock('python', sys.argv[1])]))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", agent, code)
    await until(lambda: containers() != "", BOUND)
    process.kill()
    await process.wait()
    await until(lambda: containers() == "", BOUND)
    running = asyncio.create_task(run(code, seconds=600))
    await until(lambda: containers() != "", BOUND)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await until(lambda: containers() == "", BOUND)


async def test_without_docker_or_the_image_code_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(docker, "_probed", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match=r"no program `docker`. Remedy: install"):
        await run("print(1)")
    fake = tmp_path / "docker"
    for said, reason in (("exit 1", "cannot be reached"), ("echo true false true linux", "cannot limit memory")):
        fake.write_text(f"#!/bin/sh\n{said}\n")
        fake.chmod(0o755)
        monkeypatch.setattr(docker, "_probed", {})
        with pytest.raises(SandboxUnavailable, match=reason):
            await run("print(1)")
    fake.write_text('#!/bin/sh\n[ "$1" = info ] && { echo true true true linux; exit 0; }\necho No such image; exit 1\n')
    monkeypatch.setattr(docker, "_probed", {})
    with pytest.raises(SandboxUnavailable, match=r"there is no image .*Remedy: docker pull"):
        await run("print(1)")
