"""An agent's side of the process that speaks with an MCP server (`mcp_host`)."""

import asyncio
import contextlib
import importlib.util
import itertools
import sys
from typing import Any

import msgspec

LINE = 16 * 1024 * 1024
"""Bytes of one line of the host; a longer one ends it."""


class McpFailed(RuntimeError):
    """A call of an MCP server's tool came to nothing, or to an unknown end; says which."""


class Told(msgspec.Struct, frozen=True):
    """A tool as its server describes it."""

    name: str
    description: str
    schema: dict[str, Any]


class Line(msgspec.Struct, frozen=True):
    """What the host says."""

    id: str = ""
    sent: str = ""
    text: str = ""
    failed: bool = False
    problem: str = ""
    tools: tuple[Told, ...] | None = None


class Host:
    """The process that speaks with the server."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = map(str, itertools.count(1))
        self._waiting: dict[str, asyncio.Future[Line | None]] = {}
        self._sent: set[str] = set()
        self._first: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._problem = "the process that speaks with the server ended"
        self._reader = asyncio.create_task(self._read())
        self.tools: tuple[Told, ...] = ()

    @classmethod
    async def start(cls, job: dict[str, Any]) -> "Host":
        """Start the process, and wait until the server has told its tools. Raises `McpFailed`."""
        if importlib.util.find_spec("mcp") is None:
            raise McpFailed("the package mcp is not installed (pip install 'rostra[mcp]')")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "rostra.agents.tools.mcp_host"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE,
        )
        host = cls(process)
        try:
            host._write(job)
            first = await host._first
            if first.tools is None:
                raise McpFailed(f"the server cannot be reached: {first.problem}")
            host.tools = first.tools
        except BaseException:
            await host.aclose()
            raise
        return host

    @property
    def alive(self) -> bool:
        """Whether calls can be made."""
        return not self._reader.done()

    async def call(self, function: str, arguments: dict[str, Any]) -> Line | None:
        """What came of one call; None: it was lost before it reached the server. Raises `McpFailed` when that is not known."""
        number = next(self._numbers)
        done: asyncio.Future[Line | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = done
        try:
            if not self.alive:
                return None
            self._write({"id": number, "function": function, "arguments": arguments})
            return await done
        except asyncio.CancelledError:
            self._write({"cancel": number})
            raise
        finally:
            del self._waiting[number]
            self._sent.discard(number)

    async def aclose(self) -> None:
        """Let it end by itself, for a while; then by force."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5.0):
                await self._reader
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _write(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(msgspec.json.encode(line) + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while data := await self._process.stdout.readline():
                self._heard(msgspec.json.decode(data, type=Line))
        except (ValueError, msgspec.DecodeError) as error:  # a line that is too long, or none of ours
            self._problem = f"the process that speaks with the server made no sense: {error}"
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        finally:
            if not self._first.done():
                self._first.set_result(Line(problem=self._problem))
            for number, future in self._waiting.items():
                if future.done():
                    continue
                if number in self._sent:
                    future.set_exception(McpFailed(f"the server went away ({self._problem}); whether it was done is not known"))
                else:
                    future.set_result(None)

    def _heard(self, line: Line) -> None:
        if line.problem or line.tools is not None:
            self._problem = line.problem or self._problem
            if not self._first.done():
                self._first.set_result(line)
        elif line.sent:
            self._sent.add(line.sent)
        elif (future := self._waiting.get(line.id)) is not None and not future.done():
            future.set_result(line)
