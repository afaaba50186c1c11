"""Writes docs/cli.md from the command line itself: `python docs/make_cli.py`. tests/console checks that it is current."""

import inspect
import sys
from pathlib import Path
from typing import Any

import typer

from rostra.console.catalogue import CATALOGUE
from rostra.console.main import app

HERE = Path(__file__).parent

HEAD = """# The commands

<!-- Written by docs/make_cli.py; do not edit. -->

Data goes to stdout, progress to stderr. `--json` prints one object, or one a line for what streams. `NO_COLOR` is honoured;
people are asked only at a terminal. Ctrl-C once ends gently, twice at once.

Every option is a variable, too: `ROSTRA_`, the command, the option, as in `ROSTRA_RUN_TIMEOUT=60`; where a line below names
another one, that. `ROSTRA_DEBUG=1` shows where an error was raised. `ROSTRA_HOME`
moves everything that rostra keeps below one directory.

Commands that talk to a running team find it by `--team TEAM` (a file or a name), else by `ROSTRA_BROKER`, else it is the only
team that runs on this machine. `chat list`, `show`, `why`, `verify` and `export` also read what teams left on this disk.

| exit code | means |
|---|---|
"""

CODES = (
    (0, "ended by a termination rule, by who was in the chat, or by `rostra chat stop`; any other command did its work"),
    (1, "failed at run time"),
    (2, "the command was called wrongly"),
    (3, "the team file, or what it refers to, is wrong; nothing was started"),
    (4, "no broker, no running team, or nobody of that name"),
    (5, "a limit was reached: rounds, budget, `--timeout`"),
    (6, "the chat waits for a person, and nobody can be asked"),
    (7, "a member failed for good"),
    (130, "ended by SIGINT"),
    (143, "ended by SIGTERM"),
)

LINES = """
`rostra run --json`, and `chat start`, `attach`, `tail` with `--json`, print one object a line. Messages have no gaps in `seq`,
and the result is the last line.

| `type` | keys |
|---|---|
| `started` | `chat` |
| `selected` | `seq`, `speaker`, `why` |
| `message` | `seq` (from 1, the task), `speaker`, `role`, `content`, `tool_calls`, `tool_responses` |
| `delta` (with `--deltas`) | `seq`, `speaker`, `text` |
| `failed`, `skipped` | `seq`, `speaker`, `error` |
| `passed` | `seq`, `speaker` |
| `question` | `question` (its number), `agent`, `text`, `options`, `default` |
| `answered` | `question` |
| `state` | `state` |
| `vote` | `seq`, `speaker`, `why`, `tally` |
| `result` | `chat`, `outcome`, `stop_reason`, `messages`, `usage`, `seconds` |

`usage` has `prompt_tokens`, `completion_tokens`, `cost` (US dollars) and `estimated`.
"""


def text() -> str:
    """The page."""
    group: Any = typer.main.get_command(app)
    out = [HEAD + "\n".join(f"| {code} | {meaning} |" for code, meaning in CODES), LINES]
    for section in dict.fromkeys(entry.section for entry in CATALOGUE):
        out.append(f"## {section}\n")
        for entry in CATALOGUE:
            if entry.section == section:
                out += _command(f"rostra {entry.name}", group.get_command(None, entry.name))
    return "\n".join(out)


def _command(name: str, command: Any) -> list[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        return [line for key, one in inner.items() for line in _command(f"{name} {key}", one)]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    shown = " ".join((one.metavar or one.name.upper()) for one in arguments)
    out = [f"### `{' '.join([name, shown]).strip()}`\n", inspect.cleandoc(command.help or "") + "\n"]
    if options:
        out += ["| option | default | |", "|---|---|---|"]
        out += [_option(one, f"{name} {max(one.opts, key=len)}") for one in options]
        out.append("")
    return out


def _option(option: Any, path: str) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    usual = path.replace("--", "").replace("-", "_").replace(" ", "_").upper()
    variable = f" (`{option.envvar}`)" if option.envvar and option.envvar != usual else ""
    metavar = f" {option.metavar}" if option.metavar and not option.is_flag else ""
    default = (
        ""
        if option.is_flag or option.default in (None, "")
        else f"{option.default:g}"
        if isinstance(option.default, float)
        else str(option.default)
    )
    help_ = (option.help or "").replace("|", "\\|")
    return f"| {names}{metavar.replace('|', ' or ')} | {default} | {help_}{variable} |"


if __name__ == "__main__":
    target = HERE / "cli.md"
    target.write_text(text(), encoding="utf-8")
    sys.stderr.write(f"wrote {target}\n")
