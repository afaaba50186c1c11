"""Blocks of code for tests that run them."""

import asyncio

import msgspec

from rostra.agents.code import CodeExecution, CodeRunner, find_blocks

BOUND = 60.0
"""Seconds that one block may take on a busy machine."""

FORKS = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except BlockingIOError:
    print(count)
"""
"""Makes processes until it may not, and prints how many."""


async def python(code: str, runner: CodeRunner | None = None, chat: str = "", **options: object) -> tuple[int, str]:
    one = runner or CodeRunner(msgspec.convert({"seconds": 20, **options}, CodeExecution))
    async with asyncio.timeout(BOUND):
        return await one.run(find_blocks(f"```python\n{code}\n```"), chat)


async def shell(code: str, **options: object) -> tuple[int, str]:
    one = CodeRunner(msgspec.convert({"seconds": 20, **options}, CodeExecution))
    async with asyncio.timeout(BOUND):
        return await one.run(find_blocks(f"```sh\n{code}\n```"))
