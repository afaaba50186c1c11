"""An MCP server for tests, made with the official SDK: on stdin and stdout, or on the port that it is given."""

import asyncio
import os
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer

app = MCPServer("tests")


def begin(mark: str) -> None:
    """Leave a trace."""
    with Path(mark).open("a") as out:
        out.write("begun\n")


@app.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@app.tool()
def environment() -> str:
    """Tells the names of the environment, and the process."""
    return f"{os.getpid()} {' '.join(sorted(os.environ))}"


@app.tool()
async def slow(mark: str) -> str:
    """Waits for a long time."""
    begin(mark)
    await asyncio.sleep(600)
    return "done"


@app.tool()
def die(mark: str) -> str:
    """Ends the server in the midst of it."""
    begin(mark)
    os._exit(1)


@app.tool()
def much(size: int) -> str:
    """Answers at length."""
    return "x" * size


@app.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("no luck")


@app.tool()
def forbidden() -> str:
    """Was granted to nobody."""
    return "reached"


if __name__ == "__main__":
    if sys.argv[1:]:
        app.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        app.run("stdio")
