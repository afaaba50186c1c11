"""From a table `[tools.NAME]` to a tool."""

from pathlib import Path

from .audited import AuditedTool
from .config import NEEDED, ToolConfig
from .signature import BadTool


def make_tools(name: str, config: ToolConfig, base: Path) -> list[AuditedTool]:
    """The tools of the table `name`: one, but for MCP servers, which may have many. As `make_tool`."""
    if config.use != "mcp":
        return [make_tool(name, config, base)]
    from .mcp import McpServer, McpTool

    if not config.functions or bool(config.command) == bool(config.url):
        raise BadTool(f"{name}: a tool that uses mcp needs 'functions', and either 'command' or 'url'")
    server = McpServer(
        functions=config.functions,
        command=config.command,
        url=config.url,
        env=config.env,
        token_env=config.token_env,
        cwd=base,
        seconds=config.seconds,
        limit=config.max_kb * 1024,
    )
    return [
        McpTool(server, function, name=told, description=config.description)
        for function, told in zip(config.functions, config.names(name), strict=True)
    ]


def make_tool(name: str, config: ToolConfig, base: Path) -> AuditedTool:
    """The tool `name` as its table says; paths are relative to `base`. Raises `BadTool` for a table that lacks something."""
    needed = NEEDED.get(config.use, "")
    if needed and not getattr(config, needed):
        raise BadTool(f"{name}: a tool that uses {config.use} needs {needed!r}")
    match config.use:
        case "sql":
            if bool(config.database) == bool(config.database_env):
                raise BadTool(f"{name}: a tool that uses sql needs either 'database' or 'database_env'")
            if config.database_env:
                from .postgres import Postgres

                postgres = Postgres(config.database_env, write=config.write, seconds=config.seconds, rows=config.rows)
                return _tool(name, config, postgres.query, postgres.told, repeatable=not config.write)
            from .sql import Sql

            sql = Sql(base / config.database, write=config.write, seconds=config.seconds, rows=config.rows)
            return _tool(name, config, sql.query, sql.told, repeatable=not config.write)
        case "http":
            from .http import Http

            http = Http(
                config.hosts, methods=config.methods, private=config.private, seconds=config.seconds, limit=config.max_kb * 1024
            )
            return _tool(name, config, http.fetch, http.told, repeatable=set(config.methods) <= {"GET", "HEAD"})
        case "files":
            from .files import Files

            files = Files(base / config.root, write=config.write, limit=config.max_kb * 1024)
            does = files.use if config.write else files.look
            return _tool(name, config, does, files.told, repeatable=not config.write)
        case "shell" | "python":
            from .sandboxed import Sandboxed

            sandboxed = Sandboxed(config.use, seconds=config.seconds, memory_mb=config.memory_mb, output_kb=config.max_kb)
            # What it does stays in the sandbox, whose work directory ends with this process.
            return _tool(name, config, sandboxed.run, sandboxed.told, repeatable=True)
        case "mcp":
            raise BadTool(f"{name}: an MCP server has tools, and is none")


def _tool(name: str, config: ToolConfig, function: object, told: str, *, repeatable: bool) -> AuditedTool:
    assert callable(function)
    description = " ".join(filter(None, [config.description, told]))
    return AuditedTool(function, name=name, description=description, repeatable=repeatable)
