"""A table `[tools.NAME]` of a team file: a tool that comes with rostra, bounded as the table says."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

ToolKind = Literal["sql", "http", "files", "shell", "python", "mcp"]

COMMON = frozenset({"use", "description", "approval"})
KEYS_OF_USE: dict[ToolKind, frozenset[str]] = {
    "sql": frozenset({"database", "database_env", "write", "seconds", "rows"}),
    "http": frozenset({"hosts", "methods", "private", "seconds", "max_kb"}),
    "files": frozenset({"root", "write", "max_kb"}),
    "shell": frozenset({"seconds", "memory_mb", "max_kb"}),
    "python": frozenset({"seconds", "memory_mb", "max_kb"}),
    "mcp": frozenset({"command", "url", "functions", "env", "token_env", "seconds", "max_kb"}),
}
"""The keys that each kind of tool may have, beside `COMMON`."""
NEEDED: dict[ToolKind, str] = {"http": "hosts", "files": "root", "mcp": "functions"}
"""The key that a kind of tool cannot do without."""


class ToolConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the tool is, and its bounds. Paths are looked for beside the team file."""

    use: Annotated[ToolKind, Meta(description="What it is.", extra={"noun": "kind of tool"})]
    approval: Annotated[bool, Meta(description="Whether a person must say yes to each call.")] = False
    description: Annotated[str, Meta(description="Told to the model, in front of how the tool is used.")] = ""
    database: Annotated[str, Meta(description="sql: the SQLite file.")] = ""
    database_env: Annotated[
        str, Meta(description="sql: the environment variable that holds the URL of a PostgreSQL database, in place of a file.")
    ] = ""
    root: Annotated[str, Meta(description="files: the directory outside of which nothing is read or written.")] = ""
    write: Annotated[bool, Meta(description="sql, files: whether it may change anything.")] = False
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="http: `host` (ports 80 and 443) or `host:port`, which alone are asked; `*.domain`: those below it."),
    ] = ()
    methods: Annotated[
        tuple[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], ...], Meta(description="http: the allowed methods.")
    ] = ("GET", "HEAD")
    private: Annotated[bool, Meta(description="http: whether hosts of private networks, or this machine, are asked.")] = False
    command: Annotated[tuple[str, ...], Meta(description="mcp: the program that is the server, and its arguments.")] = ()
    url: Annotated[str, Meta(description="mcp: the server's address, where it is reached over HTTP.")] = ""
    functions: Annotated[tuple[str, ...], Meta(description="mcp: the tools of the server that are granted.")] = ()
    env: Annotated[tuple[str, ...], Meta(description="mcp: names of environment variables that the program is given.")] = ()
    token_env: Annotated[str, Meta(description="mcp: the environment variable that holds a bearer token for the url.")] = ""
    seconds: Annotated[float, Meta(gt=0, le=3600, description="Longest call, seconds.")] = 30.0
    rows: Annotated[int, Meta(ge=1, le=10_000, description="sql: rows of an answer at most.")] = 200
    memory_mb: Annotated[int, Meta(ge=16, description="shell, python: memory at most, MiB.")] = 512
    max_kb: Annotated[
        int, Meta(ge=1, le=512, description="http, files, shell, python, mcp: KiB read, written or told at most.")
    ] = 64

    def names(self, table: str) -> tuple[str, ...]:
        """What models call the tools of the table `[tools.TABLE]`: its name, or one name for each function of an MCP server."""
        return tuple(f"{table}_{function}" for function in self.functions) if self.use == "mcp" else (table,)
