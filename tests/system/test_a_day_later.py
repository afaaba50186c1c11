"""People answer a day later, after every process was killed and started again: the chat ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rostra.protocol.clock import OFFSET

DAY = 86_400
SECONDS = 60.0
TEAM = """
[team]
name = "slow"
[chat]
selection = "round_robin"
stop = 'text("DONE")'
admin = "admin"
remind_seconds = 0
[models.default]
api = "scripted"
script = "script.toml"
[agents.coder]
kind = "assistant"
tools = ["ops:deploy"]
approval = ["ops:deploy"]
{person}
[agents.admin]
kind = "user_proxy"
human_input = "always"
{person}
"""
SCRIPT = """
coder = [
    {{ tool_calls = [{{ name = "deploy", arguments = {{ to = "production" }} }}] }},
    "It is out.",
    "DONE",
]
"""
OPS = '''
from pathlib import Path

from rostra.agents import tool


@tool
def deploy(to: str) -> str:
    """Deploys."""
    with Path(__file__).with_name("deployed").open("a") as log:
        log.write(to + "\\n")
    return f"deployed to {to}"
'''


class Machine:
    """The command line in a home of its own, whose clock can be moved, and all of whose processes can be killed."""

    def __init__(self, folder: Path, person: str = "") -> None:
        self._folder, self.file = folder, folder / "team.toml"
        for name, text in (("team.toml", TEAM.format(person=person)), ("script.toml", SCRIPT.format()), ("ops.py", OPS)):
            (folder / name).write_text(text, encoding="utf-8")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ROSTRA_", "OPENAI_"))}
        self.environment = {**kept, "ROSTRA_HOME": str(folder / "home"), "NO_COLOR": "1", "PYTHONWARNINGS": "error"}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; returns its stdout."""
        done = subprocess.run(
            [sys.executable, "-m", "rostra.console", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def up(self) -> None:
        self("up", str(self.file), "--detach")

    def kill(self) -> None:
        """Everything of the team is gone at once, as in a power cut."""
        pids = self._pids()
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._until(lambda: not self._pids(), "the processes are gone")

    def _pids(self) -> list[int]:
        """The processes that see this home in their environment."""
        mark = f"ROSTRA_HOME={self.environment['ROSTRA_HOME']}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                    mine = mark in (entry / "environ").read_bytes() + b"\0"
                except OSError:
                    continue
                found += [int(entry.name)] if mine and not dead else []
        return found

    def a_day_passes(self) -> None:
        """The clock of all processes that are started from now on."""
        self.environment[OFFSET] = str(int(self.environment.get(OFFSET, "0")) + DAY)

    def asked(self, kind: str) -> dict[str, Any]:
        """The question of this kind that waits, once there is one."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [item for item in self.json("inbox") if item["question"]["kind"] == kind]
            return bool(found)

        self._until(there, f"a question of the kind {kind}")
        return found[0]

    def messages(self) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in self("chat", "show", "c1", "--json").splitlines()]
        return [(line["speaker"], line["content"]) for line in lines if line["type"] == "message"]

    def ended(self) -> dict[str, Any]:
        """The chat, once it has ended."""
        chat: dict[str, Any] = {}

        def over() -> bool:
            chat.update(next(one for one in self.json("chat", "list") if one["chat"] == "c1"))
            return bool(chat["state"] == "ended")

        self._until(over, "the chat has ended")
        return chat

    def answers(self) -> list[dict[str, Any]]:
        """The answers that are on record in the chat: who, from where, when (in days from the first question), and what."""
        records = json.loads(self("chat", "export", "c1", "--format", "json"))["records"]
        items = [record["control"]["item"] for record in records if record.get("control", {}).get("what") == "answer"]
        return [
            {
                "kind": item["question"]["kind"],
                "text": item["answer"]["text"],
                "by": item["answer"].get("by", ""),
                "console": item["answer"].get("origin", "").startswith("console-"),
                "days": round((item["answer"]["at_ms"] - item["asked_ms"]) / 1000 / DAY, 2),
            }
            for item in items
        ]

    def deployed(self) -> list[str]:
        log = self._folder / "deployed"
        return log.read_text().split() if log.exists() else []

    @staticmethod
    def _until(condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, f"{what}: not after {SECONDS:g} s"
            time.sleep(0.1)


@pytest.fixture
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    made = Machine(tmp_path, getattr(request, "param", ""))
    yield made
    made.environment.pop(OFFSET, None)
    for pid in made._pids():
        os.kill(pid, signal.SIGKILL)


def begin(machine: Machine) -> None:
    machine.up()
    machine("chat", "start", "slow", "Deploy it.", "--chat", "c1", "--detach")


SAID = [("admin", "Deploy it."), ("coder", "It is out."), ("admin", "Thanks."), ("coder", "DONE")]


@pytest.mark.timeout(180)
def test_an_approval_and_a_turn_that_are_answered_a_day_later_each_end_the_chat_as_if_undisturbed(machine: Machine) -> None:
    begin(machine)
    approval = machine.asked("tool")
    machine.kill()
    machine.a_day_passes()
    machine.up()
    again = machine.asked("tool")
    assert again == approval
    assert machine.deployed() == []
    assert "deploy(" in machine("inbox", "show", str(approval["number"]))
    machine("approve", str(approval["number"]), "--digest", approval["question"]["digest"])
    turn = machine.asked("turn")
    machine.kill()
    machine.a_day_passes()
    machine.up()
    assert machine.asked("turn") == turn
    machine("answer", str(turn["number"]), "Thanks.")
    twice = machine("answer", str(turn["number"]), "No thanks.", code=1)
    assert f"item {turn['number']} was answered by " in twice
    chat = machine.ended()
    assert (chat["result"]["outcome"], chat["result"]["stop_reason"]) == ("ended", "coder said 'DONE'")
    assert machine.messages() == SAID
    assert machine.deployed() == ["production"]
    given = machine.answers()
    assert [(one["kind"], one["text"], one["console"], one["days"]) for one in given] == [
        ("tool", "yes", True, 1.0),
        ("turn", "Thanks.", True, 1.0),
    ]
    assert all("@" in one["by"] for one in given)
    assert machine.json("chat", "verify", "c1")["intact"]
    exported = machine._folder / "c1.json"
    machine("chat", "export", "c1", "--format", "json", "-o", str(exported))
    machine("replay", str(exported), "--check")
    machine("down", "slow")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("machine", ['person = { seconds = 43200, default = "Thanks." }'], indirect=True)
def test_when_nobody_answers_for_a_day_the_defaults_apply_and_an_approval_is_none(machine: Machine) -> None:
    begin(machine)
    machine.asked("tool")
    machine.kill()
    machine.a_day_passes()
    machine.up()
    turn = machine.asked("turn")
    assert machine.deployed() == []
    machine.kill()
    machine.a_day_passes()
    machine.up()
    chat = machine.ended()
    assert chat["result"]["stop_reason"] == "coder said 'DONE'"
    assert machine.messages() == SAID
    assert machine.deployed() == []
    assert [(one["kind"], one["text"], one["by"], one["days"]) for one in machine.answers()] == [
        ("tool", "no", "", 1.0),
        ("turn", "Thanks.", "", 1.0),
    ]
    assert "was answered by its default already" in machine("answer", str(turn["number"]), "Late.", code=1)
    machine("down", "slow")
