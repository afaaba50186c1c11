"""The patterns of collaboration among the examples: each is run as processes on a broker."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.console.conftest import EXAMPLES, SECONDS, Cli

from rostra.protocol import Tally
from rostra.team import Team
from rostra.team.places import Places

pytestmark = pytest.mark.timeout(180)


def loaded(example: str, tmp_path: Path, file: str = "team.toml") -> Team:
    return Team.load(EXAMPLES / example / file, places=Places.here({"ROSTRA_HOME": str(tmp_path / "home")}))


def body(example: str, file: str) -> list[str]:
    text = (EXAMPLES / example / file).read_text(encoding="utf-8")
    return text[text.index("[team]") :].splitlines()


@pytest.mark.parametrize("example", ["debate", "brainstorm"])
def test_scripted_variants_differ_from_their_teams_in_the_model_only(example: str) -> None:
    differing = [(a, b) for a, b in zip(body(example, "team.toml"), body(example, "scripted.toml"), strict=True) if a != b]
    assert differing == [('api = "openai"', 'api = "scripted"'), ('model = "gpt-5-mini"', 'script = "script.toml"')]


@pytest.mark.parametrize("example", ["contract_net", "debate", "brainstorm", "map_reduce"])
def test_team_files_are_valid(rostra: Cli, example: str) -> None:
    rostra("validate", str(EXAMPLES / example / "team.toml"))


def test_two_debaters_speak_in_turn_and_the_judge_decides(rostra: Cli) -> None:
    lines = rostra("run", str(EXAMPLES / "debate" / "scripted.toml"), "Modules should be small.", "--json").lines
    spoken = [line["speaker"] for line in lines if line["type"] == "message"]
    assert spoken == ["user", *["pro", "con"] * 3, "judge"]
    assert lines[-1]["outcome"] == "ended"
    assert "VERDICT: pro" in next(line["content"] for line in lines if line.get("speaker") == "judge" and "content" in line)


async def test_instead_of_the_judge_the_members_of_the_debate_may_vote(tmp_path: Path) -> None:
    async with loaded("debate", tmp_path, "scripted.toml") as team:
        tally: Tally = await team.client.vote(
            "Who had the better arguments?", ["pro", "con"], members=["pro", "con", "judge"], method="ranked", timeout=SECONDS
        )
    assert (tally.winner, tally.reason) == ("pro", "'pro' has 2 of 3 votes in round 1")


async def test_the_best_bidder_is_awarded_the_task_and_reports(tmp_path: Path) -> None:
    async with loaded("contract_net", tmp_path) as team:
        paint = await team.client.ask("manager", "paint 10", timeout=SECONDS)
        assert paint.text.splitlines() == [
            "bids: painter 20, carpenter 30, mason 40",
            "awarded to painter",
            "report: paint 10 done for 20",
        ]
        assert (await team.client.ask("manager", "dig 3", timeout=SECONDS)).text == "bids: none\nnobody can do it"
        assert team.supervisor is not None
        os.kill(team.supervisor.pid("painter"), signal.SIGSTOP)  # it hears no call: its bid does not come
        stopped = team.supervisor.pid("painter")
        try:
            late = await team.client.ask("manager", "paint 10", timeout=SECONDS)
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert late.text.splitlines()[1:] == ["awarded to carpenter", "report: paint 10 done for 30"]


async def test_words_are_counted_by_replicas_one_of_which_is_killed(tmp_path: Path) -> None:
    text = "\n".join(f"line {number} the quick brown fox and the lazy dog" for number in range(400))
    counts = Counter(re.findall(r"\w+", text))
    async with loaded("map_reduce", tmp_path) as team:
        assert team.supervisor is not None
        asking = asyncio.create_task(team.client.ask("reducer", text, timeout=SECONDS))
        mappers = [key for key, job in team.supervisor.jobs.items() if job.name == "mapper"]
        assert len(mappers) == 3
        os.kill(team.supervisor.pid(mappers[0]), signal.SIGKILL)
        answer = (await asking).text
    assert answer.startswith(f"the {counts['the']}, and 400, brown 400, dog 400, fox 400 ({counts.total()} words, 400 lines, ")
    assert int(answer.split()[-2]) >= 2


async def test_ideas_stand_in_the_order_of_the_members_and_are_voted_on(tmp_path: Path) -> None:
    async with loaded("brainstorm", tmp_path, "scripted.toml") as team:
        answer = await team.client.ask("facilitator", "How do we make the office quieter?", timeout=SECONDS)
    assert answer.text.splitlines() == [
        "round 1, ada: Quiet hours until noon",
        "round 1, ben: Carpets instead of walls",
        "round 1, cyd: Everybody whispers on Fridays",
        "round 2, ada: A lamp on each desk that says: not now",
        "round 2, ben: Second-hand carpets",
        "round 2, cyd: A garden for calls",
        "chosen: Quiet hours until noon ('Quiet hours until noon' has the most approvals, 3 of 7)",
    ]


BOARD = str(EXAMPLES / "blackboard" / "blackboard.py")


@pytest.fixture
def experts(broker_address: str) -> Iterator[dict[str, "subprocess.Popen[str]"]]:
    """The experts of the blackboard, as processes that are ready to read."""
    processes: dict[str, subprocess.Popen[str]] = {}
    try:
        for name in ("splitter", "reader", "adder"):
            command = [sys.executable, BOARD, broker_address, name]
            processes[name] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for name, process in processes.items():
            assert process.stdout is not None
            assert process.stdout.readline() == f"{name} reads\n"
        yield processes
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def asked(address: str, text: str) -> str:
    command = [sys.executable, BOARD, address, "ask", text]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout


def test_experts_solve_a_problem_by_what_they_read_and_write(
    experts: dict[str, "subprocess.Popen[str]"], broker_address: str
) -> None:
    assert asked(broker_address, "seven and eleven and twenty") == "7 + 11 + 20 = 38\n"
    assert asked(broker_address, "one and umpteen") == "nobody can read 'umpteen'\n"


def test_an_expert_that_comes_back_reads_what_stands_on_the_board(
    experts: dict[str, "subprocess.Popen[str]"], broker_address: str
) -> None:
    experts["reader"].kill()
    experts["reader"].communicate()
    command = [sys.executable, BOARD, broker_address, "ask", "two and forty"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        experts["reader"] = subprocess.Popen([sys.executable, BOARD, broker_address, "reader"], stdout=subprocess.PIPE, text=True)
        out, _ = asking.communicate(timeout=SECONDS)
    assert out == "2 + 40 = 42\n"
