"""Tools of MCP servers: real servers, as a program and over HTTP."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import free_port, until

from rostra.agents import AssistantAgent, BadTool, Context
from rostra.agents.tools.config import ToolConfig
from rostra.agents.tools.kit import make_tools
from rostra.agents.tools.mcp import McpServer, McpTool
from rostra.protocol import ChatMessage

from .doubles import Watched

SERVER = str(Path(__file__).with_name("mcp_server.py"))
GRANTED = ["add", "environment", "slow", "die", "much", "fail", "absent"]
pytestmark = pytest.mark.timeout(120)
Tools = Callable[..., dict[str, McpTool]]


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[Tools]:
    """Makes the tools of a server; all are closed at the end."""
    servers: list[McpServer] = []

    def make(**table: Any) -> dict[str, McpTool]:
        table = {"use": "mcp", "functions": GRANTED, "seconds": 60, **table}
        if "url" not in table:
            table.setdefault("command", [sys.executable, SERVER])
        made = make_tools("it", msgspec.convert(table, ToolConfig), tmp_path)
        found = {each.function: each for each in made if isinstance(each, McpTool)}
        servers.append(found["add"].server)
        return found

    yield make
    for server in servers:
        await server.aclose()


class Web:
    """A server on a port of its own, which may be killed and started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = await asyncio.to_thread(
            subprocess.Popen, [sys.executable, SERVER, str(self.port)], stderr=subprocess.DEVNULL
        )
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    (await asyncio.open_connection("127.0.0.1", self.port))[1].close()
                    return
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    one = Web()
    await one.start()
    yield one
    one.kill()


async def run(tool: McpTool, **arguments: Any) -> str:
    return await tool.run(json.dumps(arguments), Context(agent="ann", chat="c1"))


async def test_a_model_is_offered_a_servers_tools_and_what_it_calls_is_run_and_audited(
    tools: Tools, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rostra.audit")
    own = tools(functions=["add"])
    model = Watched({"tool_calls": [{"name": "it_add", "arguments": {"a": 2, "b": 3}}]}, "Five.")
    agent = AssistantAgent("ann", model=model, tools=own.values(), silent=True)
    question = ChatMessage(content="2 + 3?", name="user")
    answer = await agent.respond(question, Context(agent="ann", history=[question], chat="c1"))
    assert isinstance(answer, ChatMessage)
    assert answer.text == "Five."
    (offered,) = model.requests[0].tools
    assert (offered.name, offered.description) == ("it_add", "Adds two numbers.")
    assert offered.parameters["required"] == ["a", "b"]
    assert answer.metadata["tool_log"][0]["responses"][0]["content"] == "5"
    (trace,) = [json.loads(record.getMessage()) for record in caplog.records]
    assert (trace["tool"], trace["agent"], trace["chat"]) == ("it_add", "ann", "c1")


async def test_failures_are_answers_and_only_what_is_granted_is_reached(tools: Tools) -> None:
    own = tools(max_kb=1)
    assert (await run(own["fail"])).startswith("Error: McpFailed: Error executing tool fail")
    assert (await run(own["add"], a="x")).startswith("Error: McpFailed")
    assert "the server has no tool absent now" in await run(own["absent"])
    assert "forbidden" not in own["add"].server.told
    answer = await run(own["much"], size=5000)
    assert answer.endswith("(cut after 1024 characters)")
    assert len(answer) < 1100
    with pytest.raises(RuntimeError, match="has no tool forbidden"):
        await own["add"].server.call("forbidden", {})


async def test_a_program_sees_what_is_named_of_the_environment_and_is_started_again_when_it_died(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("MINE", "for the server")
    own = tools(env=["MINE"])
    first, *seen = (await run(own["environment"])).split()
    assert "MINE" in seen
    assert "OPENAI_API_KEY" not in seen
    os.kill(int(first), signal.SIGKILL)
    second = (await run(own["environment"])).split()[0]
    assert second.isdigit()
    assert second != first


async def test_a_call_in_the_midst_of_which_the_server_dies_is_not_made_again(tools: Tools, tmp_path: Path) -> None:
    own, mark = tools(), tmp_path / "mark"
    answer = await run(own["die"], mark=str(mark))
    assert answer.startswith("Error: McpFailed")
    assert "whether it was done is not known" in answer
    assert mark.read_text() == "begun\n"
    assert await run(own["add"], a=1, b=1) == "2"


async def test_a_call_that_takes_too_long_is_cut_and_others_go_on(tools: Tools, tmp_path: Path) -> None:
    own = tools()
    assert await run(own["add"], a=1, b=1) == "2"
    own["slow"].server.seconds = 1.0
    slow = asyncio.create_task(run(own["slow"], mark=str(tmp_path / "mark")))
    await asyncio.sleep(0)  # it has begun, with its own patience
    own["slow"].server.seconds = 60.0
    quick = await run(own["add"], a=1, b=2)
    assert "no answer within 1 s; whether it was done is not known" in await slow
    assert quick == "3"
    assert await run(own["add"], a=2, b=2) == "4"


async def test_a_server_over_http_is_reached_again_when_it_was_restarted(
    tools: Tools, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rostra.agents.tools.mcp.PAUSE", 0.0)
    own = tools(url=f"http://127.0.0.1:{web.port}/mcp")
    assert await run(own["add"], a=1, b=2) == "3"
    web.kill()
    answer = await run(own["add"], a=1, b=2)
    assert answer.startswith("Error: McpFailed: the server cannot be reached")
    await web.start()
    assert await run(own["add"], a=1, b=2) == "3"


async def test_a_server_that_cannot_be_reached_is_offered_as_such(tools: Tools, tmp_path: Path) -> None:
    own = tools(command=[str(tmp_path / "no-such-program")])["add"]
    await own.ready()
    assert "cannot be used now: the server cannot be reached" in own.schema.description
    assert (await run(own, a=1, b=2)).startswith("Error: McpFailed: the server cannot be reached")


async def test_a_server_ends_with_its_agent() -> None:
    agent = (
        "import asyncio, sys\nfrom rostra.agents.tools.mcp import McpServer\n"
        "async def main():\n"
        "    server = McpServer(functions=['environment'], command=sys.argv[1:], seconds=60)\n"
        "    print((await server.call('environment', {})).split()[0], flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", agent, sys.executable, SERVER), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await until(lambda: not Path("/proc", str(pid)).exists(), 30)


def test_a_table_names_functions_and_one_way_to_reach_them(tmp_path: Path) -> None:
    for table in ({"command": ["x"]}, {"functions": ["a"]}, {"functions": ["a"], "command": ["x"], "url": "http://x/"}):
        with pytest.raises(BadTool, match="functions"):
            make_tools("it", msgspec.convert({"use": "mcp", **table}, ToolConfig), tmp_path)


def test_an_agent_that_has_no_mcp_tools_loads_nothing_of_it_and_one_that_has_loads_no_sdk() -> None:
    code = (
        "import sys, rostra.agents.conversable, rostra.agents.tools.kit\n"
        "from rostra.agents.tools.config import ToolConfig\n"
        "print('rostra.agents.tools.mcp' in sys.modules)\n"
        "import rostra.agents.tools.mcp\n"
        "print(sorted({'mcp', 'mcp_types', 'pydantic', 'httpx2', 'anyio'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n[]\n"
