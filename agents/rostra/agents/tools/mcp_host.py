"""The process that speaks with one MCP server for an agent: the SDK is large, and an agent's process stays small.

Started by `mcp_link.Host`. Lines of JSON go in: the job first, then `{"id", "function", "arguments"}` and `{"cancel": id}`. Lines
of JSON come out: `{"tools": […]}` or `{"problem": "…"}` first, then for each call `{"sent": id}` when it goes to the server, and
`{"id", "text", "failed"}`. It ends when its input does, or when the server is lost.
"""

import asyncio
import functools
import json
import os
import sys
from typing import Any

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

LONGEST = 2_000
"""Characters of a description that a model is told."""
LARGEST = 64 * 1024
"""Bytes of a schema that a model is told."""
PAGES = 20


class Output:
    """Lines to the agent; nothing that a library prints gets between them."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def tell(self, **line: Any) -> None:
        """One line."""
        data = memoryview(json.dumps(line).encode() + b"\n")
        while data:
            data = data[self._out.write(data) :]


def server(job: dict[str, Any], http: httpx2.AsyncClient) -> Any:
    """What `mcp.Client` is to speak with."""
    if job["url"]:
        return streamable_http_client(job["url"], http_client=http)
    program, *arguments = job["command"]
    return mcp.StdioServerParameters(command=program, args=arguments, env=job["env"], cwd=job["cwd"])


async def listed(client: mcp.Client, granted: list[str]) -> list[dict[str, Any]]:
    """The tools of the server that are granted."""
    found, cursor = [], None
    for _ in range(PAGES):
        page = await client.list_tools(cursor=cursor)
        found += [tool for tool in page.tools if tool.name in granted]
        cursor = page.next_cursor
        if not cursor:
            break
    return [
        {
            "name": tool.name,
            "description": (tool.description or "")[:LONGEST],
            "schema": tool.input_schema if len(json.dumps(tool.input_schema)) <= LARGEST else {"type": "object"},
        }
        for tool in found
    ]


def text_of(result: Any, limit: int) -> str:
    """What a tool answered, as text; `limit` characters at most."""
    parts = []
    for block in result.content:
        match block.type:
            case "text":
                parts.append(block.text)
            case "resource" if hasattr(block.resource, "text"):
                parts.append(block.resource.text)
            case "resource_link":
                parts.append(f"{block.name}: {block.uri}")
            case _:
                parts.append(f"({getattr(block, 'mime_type', None) or block.type}: not text, and left out)")
    if not parts and result.structured_content is not None:
        parts.append(json.dumps(result.structured_content))
    text = "\n".join(parts)
    return text if len(text) <= limit else f"{text[:limit]}\n… (cut after {limit} characters)"


async def answer(client: mcp.Client, job: dict[str, Any], line: dict[str, Any], out: Output) -> None:
    """Make one call. Raises what shows that the server is lost; other failures are answers."""
    try:
        names = [tool["name"] for tool in await listed(client, job["functions"])]  # also tells whether the server is there
        if line["function"] not in names:
            out.tell(id=line["id"], text=f"the server has no tool {line['function']} now", failed=True)
            return
        out.tell(sent=line["id"])
        result = await client.call_tool(line["function"], line["arguments"])
        out.tell(id=line["id"], text=text_of(result, job["limit"]), failed=bool(result.is_error))
    except MCPError as error:
        if error.error.code == mcp.types.CONNECTION_CLOSED:
            raise
        out.tell(id=line["id"], text=f"{error.error.message}"[: job["limit"]], failed=True)
    except (ValueError, RuntimeError) as error:  # an answer that its own schema forbids; a question back, which nobody answers
        out.tell(id=line["id"], text=f"{type(error).__name__}: {error}"[: job["limit"]], failed=True)


async def serve(job: dict[str, Any], lines: asyncio.StreamReader, out: Output) -> None:
    """Speak with the server until there are no more lines."""
    token = os.environ.get(job["token_env"], "") if job["token_env"] else ""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = httpx2.Timeout(job["seconds"])
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
        mcp.Client(server(job, http), cache=None, read_timeout_seconds=job["seconds"]) as client,
    ):
        out.tell(tools=await listed(client, job["functions"]))
        calls: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while line := await lines.readline():
                asked = json.loads(line)
                if "cancel" in asked:
                    if asked["cancel"] in calls:
                        calls[asked["cancel"]].cancel()
                    continue
                task = calls[asked["id"]] = group.create_task(answer(client, job, asked, out))
                task.add_done_callback(functools.partial(_forget, calls, asked["id"]))
            for task in list(calls.values()):
                task.cancel()


def _forget(calls: dict[str, asyncio.Task[None]], number: str, _: asyncio.Task[None]) -> None:
    calls.pop(number, None)


async def main() -> int:
    """The whole process; returns its exit code."""
    out = Output()
    lines = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    job = json.loads(await lines.readline())
    try:
        await serve(job, lines, out)
    except BaseException as error:  # noqa: BLE001 - the boundary of this process
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        out.tell(problem=f"{type(error).__name__}: {error}"[:500])
        return 1
    return 0


if __name__ == "__main__":
    os._exit(asyncio.run(main()))
