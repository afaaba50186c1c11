"""The entry point `rostra`: finds the command, runs it, and turns what goes wrong into a sentence and an exit code."""

import os
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from .catalogue import CATALOGUE

_BROKEN_PIPE = 141


class Lazy(TyperGroup):
    """The commands of the catalogue, each imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the catalogue's order."""
        return [entry.name for entry in CATALOGUE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command `cmd_name`, or None."""
        entry = next((entry for entry in CATALOGUE if entry.name == cmd_name), None)
        if entry is None:
            return None
        group = get_group(import_module(f"{__package__}.commands.{entry.module}").app)
        return _with_environment(group.commands[cmd_name], f"ROSTRA_{cmd_name}")

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands in the help, by section, without importing any."""
        width = max(len(entry.name) for entry in CATALOGUE)
        for section in dict.fromkeys(entry.section for entry in CATALOGUE):
            with formatter.section(section):
                rows = [(entry.name.ljust(width), entry.summary) for entry in CATALOGUE if entry.section == section]
                formatter.write_dl(rows)


def _with_environment(command: Any, prefix: str) -> Any:
    """The command, each of whose options is also a variable: ROSTRA_RUN_TIMEOUT is `rostra run --timeout`."""
    for name, inner in getattr(command, "commands", {}).items():
        _with_environment(inner, f"{prefix}_{name}")
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.envvar is None and not parameter.is_eager:
            long = max(parameter.opts, key=len)
            parameter.envvar = f"{prefix}_{long}".replace("--", "").replace("-", "_").upper()
            parameter.show_envvar = False
    return command


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rostra {version('rostra')}")
        raise typer.Exit


app = typer.Typer(
    name="rostra",
    cls=Lazy,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every option can be given by environment too: ROSTRA_TEAM, ROSTRA_JSON, ROSTRA_RUN_TIMEOUT, … "
    "Start with `rostra demo`, then `rostra init`.",
)


@app.callback()
def _rostra(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, allow_from_autoenv=False, help="Print the version and exit."
    ),
) -> None:
    """LLM agents as real processes on a message broker, holding group chats that survive the death of any of them."""


def main() -> None:
    """Run the command line; ends the process with one of `exits.Code`."""
    code = _run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run() -> int:
    from typer._click.exceptions import ClickException, NoArgsIsHelpError

    try:
        outcome = typer.main.get_command(app)(prog_name="rostra", standalone_mode=False)
    except NoArgsIsHelpError as error:
        error.show()
        return 0 if len(sys.argv) < 2 else 2
    except ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as error:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # typer's sign that the reader went away: `rostra sub … | head`
            return _BROKEN_PIPE
        return error.code if isinstance(error.code, int) else 1
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:  # noqa: BLE001 - the outermost boundary: what is left is said in a sentence
        return _failed(error)
    return outcome if isinstance(outcome, int) else 0


def _failed(error: Exception) -> int:
    from rostra.protocol.errors import RostraError

    from .exits import Code, Quit, of_error

    if os.environ.get("ROSTRA_DEBUG"):
        import traceback

        traceback.print_exc()
    if isinstance(error, Quit):
        code, text = error.code, error.message
    elif isinstance(error, RostraError):
        code, text = of_error(error), str(error)
    else:
        text = str(error) or type(error).__name__
        if not isinstance(error, OSError):
            text = f"{type(error).__name__}: {text} (this is a fault of rostra; ROSTRA_DEBUG=1 shows where)"
        code = Code.FAILED
    if text:
        from .terminal import clean

        sys.stderr.write("".join(f"rostra: {clean(line)}\n" for line in text.splitlines()))
    return int(code)


if __name__ == "__main__":
    main()
