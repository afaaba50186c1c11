"""What the command line says of itself, and how quickly."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from rostra.console.catalogue import CATALOGUE
from rostra.console.main import app

from .conftest import ROOT, Cli


def commands() -> Iterator[tuple[str, ...]]:
    group: Any = typer.main.get_command(app)
    for entry in CATALOGUE:
        command = group.get_command(None, entry.name)
        yield (entry.name,)
        for name in getattr(command, "commands", {}):
            yield (entry.name, name)


def test_the_spine_of_commands_is_there() -> None:
    spine = "run up down restart ps logs validate schema init doctor demo chat inbox answer ask pub sub"
    parts = "broker gateway coordinator agent"
    assert {entry.name for entry in CATALOGUE} >= {*spine.split(), *parts.split()}
    chat = {words[1] for words in commands() if words[0] == "chat" and len(words) == 2}
    assert chat >= {"start", "list", "show", "tail", "attach", "say", "stop", "export", "why", "verify"}


def test_every_command_has_a_help_text_and_every_option_an_explanation() -> None:
    group: Any = typer.main.get_command(app)
    for words in commands():
        command = group
        for word in words:
            command = command.get_command(None, word)
        assert command.help, words
        for parameter in command.params:
            assert parameter.help, (words, parameter.name)


def test_every_option_is_a_variable_of_its_own_name() -> None:
    group: Any = typer.main.get_command(app)
    run = group.get_command(None, "run")
    variables = {max(one.opts, key=len): one.envvar for one in run.params if one.param_type_name == "option"}
    assert variables["--timeout"] == "ROSTRA_RUN_TIMEOUT"
    assert variables["--chat"] == "ROSTRA_RUN_CHAT"
    assert variables["--json"] == "ROSTRA_JSON"
    assert variables.pop("--help", None) is None
    assert all(variables.values())


@pytest.mark.parametrize("words", [(), ("run",), ("chat",), ("chat", "export"), ("doctor",)])
def test_help_is_printed_on_stdout(rostra: Cli, words: tuple[str, ...]) -> None:
    done = rostra(*words, "--help")
    assert done.out.startswith(f"Usage: rostra {' '.join(words)}".strip())
    assert not done.err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['rostra', '--help']\n"
        "from rostra.console.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"rich", "zmq", "openai", "pydantic", "msgspec", "asyncio", "rostra.protocol", "rostra.team"}


@pytest.mark.parametrize(("page", "command", "function"), [("cli", "make_cli", "text"), ("groupchat", "make_screen", "written")])
def test_pages_that_are_written_by_commands_are_current(page: str, command: str, function: str) -> None:
    spec = importlib.util.spec_from_file_location(command, ROOT / "docs" / f"{command}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    current = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert current == getattr(module, function)(), f"docs/{page}.md is not current: run `python docs/{command}.py`"


def test_the_version_is_that_of_the_package(rostra: Cli) -> None:
    from importlib.metadata import version

    assert rostra("--version").out == f"rostra {version('rostra')}\n"


def test_a_variable_called_like_an_eager_option_does_no_harm(rostra: Cli) -> None:
    assert rostra("--help", ROSTRA_VERSION="0.1.0").out
