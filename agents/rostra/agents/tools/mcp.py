"""Tools of MCP servers, as ordinary tools. The SDK runs in a process of its own (`mcp_host`), started at the first use."""

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rostra.agents.responder import Context
from rostra.protocol.completion import ToolSchema

from .audited import AuditedTool
from .mcp_link import Host, McpFailed, Told

log = logging.getLogger("rostra.audit")

PAUSE = 2.0
"""Seconds until a server that could not be reached is tried again."""


class McpServer:
    """One MCP server: a program (`command`), or a `url`. Of its tools only `functions` are there.

    `env`: names of the environment's variables that the program is given beside HOME, PATH and the like; `token_env`: the one
    that holds a bearer token for the `url`. `seconds`: of a call, its connection included; `limit`: characters of an answer. A
    server that went away is reached again at the next call.
    """

    def __init__(
        self,
        *,
        functions: Sequence[str],
        command: Sequence[str] = (),
        url: str = "",
        env: Sequence[str] = (),
        token_env: str = "",
        cwd: Path | None = None,
        seconds: float = 30.0,
        limit: int = 64 * 1024,
    ) -> None:
        self.seconds = seconds
        self._job = {
            "functions": list(functions),
            "command": list(command),
            "url": url,
            "env": {name: os.environ[name] for name in env if name in os.environ},
            "token_env": token_env,
            "cwd": str(cwd or Path.cwd()),
            "seconds": seconds,
            "limit": limit,
        }
        self._host: Host | None = None
        self._starting = asyncio.Lock()
        self._problem, self._again = "", 0.0
        self.told: dict[str, Told] = {}
        """The granted tools, as the server described them last."""

    async def reach(self) -> "Host":
        """Be connected. Raises `McpFailed`: the server cannot be reached, or the extra is not installed."""
        async with self._starting:
            if self._host is not None and self._host.alive:
                return self._host
            now = asyncio.get_running_loop().time()
            if self._problem and now < self._again:
                raise McpFailed(self._problem)
            try:
                async with asyncio.timeout(self.seconds):
                    self._host = await Host.start(self._job)
            except (McpFailed, TimeoutError) as error:
                self._problem = str(error) or f"the server did not answer within {self.seconds:g} s"
                self._again = now + PAUSE
                raise McpFailed(self._problem) from None
            self._learn(self._host.tools)
            self._problem = ""
            return self._host

    async def call(self, function: str, arguments: dict[str, Any]) -> str:
        """Have the server run `function`. Raises `McpFailed`.

        A call that did not get as far as the server is made once more.
        """
        seconds = self.seconds
        try:
            async with asyncio.timeout(seconds):
                for _ in range(2):
                    host = await self.reach()
                    done = await host.call(function, arguments)
                    if done is not None:
                        break
                else:
                    raise McpFailed("the server goes away whenever it is asked")
        except TimeoutError:
            raise McpFailed(f"there was no answer within {seconds:g} s; whether it was done is not known") from None
        if done.failed:
            raise McpFailed(done.text)
        return done.text

    async def aclose(self) -> None:
        """End the host, and with it a server that is a program."""
        host, self._host = self._host, None
        if host is not None:
            await host.aclose()

    def _learn(self, tools: Sequence[Told]) -> None:
        for tool in tools:
            before = self.told.get(tool.name)
            if before is not None and before != tool:
                log.warning("the MCP server describes its tool %s otherwise than before", tool.name)
            self.told[tool.name] = tool


class McpTool(AuditedTool):
    """One function of an MCP server. What a model is told of it is what the server says, once it was reached."""

    def __init__(self, server: McpServer, function: str, *, name: str, description: str = "") -> None:
        super().__init__(_told_later, name=name, description=description or f"The tool {function}.")
        self.server, self.function, self._problem = server, function, ""

    @property
    def schema(self) -> ToolSchema:
        """See `FunctionTool.schema`."""
        told = self.server.told.get(self.function)
        if told is None:
            problem = f" (It cannot be used now: {self._problem})" if self._problem else ""
            return ToolSchema(name=self.name, description=self.description + problem, parameters={"type": "object"})
        return ToolSchema(name=self.name, description=told.description or self.description, parameters=told.schema)

    async def ready(self) -> None:
        """See `FunctionTool.ready`."""
        try:
            await self.server.reach()
            self._problem = "" if self.function in self.server.told else f"the server has no tool {self.function}"
        except McpFailed as error:
            self._problem = str(error)

    def check(self, arguments: dict[str, Any]) -> None:
        """See `FunctionTool.check`; the server alone knows."""

    async def fill(self, arguments: dict[str, Any], context: Context) -> Any:
        """See `FunctionTool.fill`; the server checks the arguments."""
        return await self.server.call(self.function, arguments)


def _told_later() -> str:
    raise NotImplementedError("an MCP tool is run by its server")
