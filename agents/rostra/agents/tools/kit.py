"""From a table `[tools.NAME]` to a tool."""

from pathlib import Path

from .audited import AuditedTool
from .config import NEEDED, ToolConfig
from .signature import BadTool


def make_tool(name: str, config: ToolConfig, base: Path) -> AuditedTool:
    """The tool `name` as its table says; paths are relative to `base`. Raises `BadTool` for a table that lacks something."""
    needed = NEEDED.get(config.use, "")
    if needed and not getattr(config, needed):
        raise BadTool(f"{name}: a tool that uses {config.use} needs {needed!r}")
    match config.use:
        case "sql":
            from .sql import Sql

            sql = Sql(base / config.database, write=config.write, seconds=config.seconds, rows=config.rows)
            return _tool(name, config, sql.query, sql.told)
        case "http":
            from .http import Http

            http = Http(
                config.hosts, methods=config.methods, private=config.private, seconds=config.seconds, limit=config.max_kb * 1024
            )
            return _tool(name, config, http.fetch, http.told)
        case "files":
            from .files import Files

            files = Files(base / config.root, write=config.write, limit=config.max_kb * 1024)
            return _tool(name, config, files.use if config.write else files.look, files.told)
        case "shell" | "python":
            from .sandboxed import Sandboxed

            sandboxed = Sandboxed(config.use, seconds=config.seconds, memory_mb=config.memory_mb, output_kb=config.max_kb)
            return _tool(name, config, sandboxed.run, sandboxed.told)


def _tool(name: str, config: ToolConfig, function: object, told: str) -> AuditedTool:
    assert callable(function)
    return AuditedTool(function, name=name, description=" ".join(filter(None, [config.description, told])))
