"""Jupyter kernels in the sandbox: state between blocks, pictures, and the same walls."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from rostra.agents import Context, UserProxyAgent
from rostra.agents.code import CodeExecution, CodeRunner, SandboxUnavailable, find_blocks, kernel, watch
from rostra.protocol import ChatMessage

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.timeout(180)]
BOUND = 150.0
SHOW = """
from IPython.display import Image, display
display(Image(data=bytes.fromhex("89504e470d0a1a0a") + b"x", format="png"))
"""


def made(**options: object) -> CodeRunner:
    return CodeRunner(msgspec.convert({"sandbox": "jupyter", "seconds": 30, **options}, CodeExecution))


@pytest.fixture
async def runner() -> AsyncIterator[CodeRunner]:
    one = made()
    yield one
    await one.aclose()


async def run(runner: CodeRunner, code: str, chat: str = "c", mark: str = "python") -> tuple[int, str]:
    async with asyncio.timeout(BOUND):
        return await runner.run(find_blocks(f"```{mark}\n{code}\n```"), chat)


async def test_variables_and_files_are_kept_between_blocks_of_a_chat_and_other_chats_do_not_see_them(runner: CodeRunner) -> None:
    assert await run(runner, "x = 41\nprint('set')") == (0, "set\n")
    assert await run(runner, "x + 1") == (0, "42\n")
    assert await run(runner, "open('a', 'w').write(str(x))\nNone") == (0, "")
    assert await run(runner, "cat a; exit 3", mark="sh") == (3, "41")
    status, output = await run(runner, "x", chat="d")
    assert (status, "NameError" in output) == (1, True)
    status, output = await run(runner, "1 / 0")
    assert (status, "ZeroDivisionError" in output, "\x1b" in output) == (1, True, False)


async def test_a_picture_is_an_attachment_of_the_message() -> None:
    config = msgspec.convert({"sandbox": "jupyter", "seconds": 30}, CodeExecution)
    agent = UserProxyAgent("ann", human_input_mode="NEVER", code_execution_config=config)
    message = ChatMessage(content=f"```python\n{SHOW}\n```", name="bob")
    answer = await agent.respond(message, Context(agent="ann", history=[message], chat="c"))
    assert isinstance(answer, ChatMessage)
    assert answer.text == "exitcode: 0 (execution succeeded)\nCode output: (figure-1.png)\n"
    (picture,) = answer.metadata["attachments"]
    assert (picture["name"], picture["type"], picture["data"][:8]) == ("figure-1.png", "image/png", "iVBORw0K")
    assert agent.code is not None
    await agent.code.aclose()


async def test_a_picture_that_is_too_large_is_left_out_and_says_so(runner: CodeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "FILES_KB", 0)
    status, output = await run(runner, SHOW)
    assert (status, "is left out" in output) == (0, True)
    assert runner.taken("c") == []


async def test_a_block_that_takes_too_long_is_interrupted_and_the_state_stays() -> None:
    runner = made(seconds=3)
    assert await run(runner, "x = 1") == (0, "")
    status, output = await run(runner, "while True: pass")
    assert status == 124
    assert output.endswith("(ended: it ran for more than 3 s)\n")
    assert await run(runner, "print(x)") == (0, "1\n")
    await runner.aclose()


async def test_a_kernel_reaches_nothing_of_this_machine(
    runner: CodeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2")
    (tmp_path / "secret").write_text("hunter2")
    code = f"""
import os, socket
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(status["CapEff"].strip(), status["NoNewPrivs"].strip(), status["Seccomp"].strip())
print([name for name in os.environ if "SECRET" in name], os.path.exists({str(tmp_path / "secret")!r}))
for path in ("/x", "/usr/x", "/etc/shadow"):
    try:
        open(path, "a")
        print("opened", path)
    except OSError:
        pass
try:
    socket.create_connection(("192.0.2.1", 80), 3)
    print("connected")
except OSError:
    print("no network")
"""
    assert await run(runner, code) == (0, "0000000000000000 1 2\n[] False\nno network\n")


async def test_memory_is_limited_and_nothing_is_left_when_it_ends() -> None:
    before = set(watch.tree(os.getpid()))
    runner = made(memory_mb=300)
    status, output = await run(runner, "import os\nx = [os.urandom(1 << 20) for _ in range(600)]")
    assert status != 0
    assert "300 MiB" in output or "MemoryError" in output
    assert (await run(runner, "print('again')"))[0] == 0
    await runner.aclose()
    assert set(watch.tree(os.getpid())) <= before


async def test_without_the_package_code_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "python", lambda: "/usr/bin/false")
    runner = made()
    with pytest.raises(SandboxUnavailable, match=r"rostra\[jupyter\]"):
        await run(runner, "1")


async def test_a_kernel_that_nobody_waits_for_any_more_while_it_starts_is_ended(
    runner: CodeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: asyncio.Queue[kernel.Kernel] = asyncio.Queue()

    async def deaf(self: kernel.Kernel, seconds: float) -> None:
        begun.put_nowait(self)
        await asyncio.Event().wait()

    monkeypatch.setattr(kernel.Kernel, "_hear", deaf)
    running = asyncio.create_task(run(runner, "1"))
    async with asyncio.timeout(BOUND):
        one = await begun.get()
        assert one.alive
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert not one.alive
