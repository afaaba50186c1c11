"""An MCP server with two tools about tides, made with the official SDK."""

from mcp.server.mcpserver import MCPServer

app = MCPServer("tides")
HEIGHTS = {"Brest": (1.2, 6.8), "Saint-Malo": (1.1, 12.3)}


@app.tool()
def ports() -> list[str]:
    """Which ports are known."""
    return sorted(HEIGHTS)


@app.tool()
def range_of_tide(port: str) -> str:
    """The range of the tide at a port, in metres."""
    low, high = HEIGHTS[port]
    return f"{high - low:.1f} m"


@app.tool()
def forget(port: str) -> str:
    """Forgets a port. The team file grants it to nobody."""
    del HEIGHTS[port]
    return "forgotten"


if __name__ == "__main__":
    app.run("stdio")
