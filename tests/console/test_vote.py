"""`rostra vote` beside a running team, one of whose agents is killed."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from .conftest import SECONDS, Cli

TEAM = """
[team]
name = "voters"
[chat]
selection = "round_robin"
max_rounds = 3
[agents.ann]
kind = "handler"
handler = "voters:yes"
[agents.ben]
kind = "handler"
handler = "voters:Ranker"
[agents.cyd]
kind = "handler"
handler = "voters:no"
"""
VOTERS = """
import asyncio
from pathlib import Path

from rostra.agents import agent

@agent
async def yes(message, context):
    return "I say yes, or else tea."

@agent
async def no(message, context):
    if context.chat and "proposal" not in message.metadata:
        await asyncio.Event().wait()  # its turns have no end
    return "no"

class Ranker:
    def respond(self, message):
        return "nothing to vote for"

    async def vote(self, proposal, context):
        ashes = Path(__file__).with_name("ashes")
        if proposal.text == "Hang?" and not ashes.exists():
            ashes.touch()
            context.publish("asked.ben", proposal.text)
            await asyncio.Event().wait()
        if proposal.method in ("ranked", "approval"):
            return list(reversed(proposal.options))
        return "yes" if "yes" in proposal.options else None
"""


@pytest.fixture(scope="module")
def team(shared: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line beside a running team of three voters."""
    folder = tmp_path_factory.mktemp("voters")
    (folder / "team.toml").write_text(TEAM)
    (folder / "voters.py").write_text(VOTERS)
    try:
        shared("up", str(folder / "team.toml"), "--detach")
        yield shared
    finally:
        shared("down")


def test_a_team_votes_and_the_tally_is_printed(team: Cli) -> None:
    done = team("vote", "voters", "Ship it?")
    assert done.out.splitlines() == [
        "OPTION  VOTES  VOTERS",
        "yes     2      ann, ben",
        "no      1      cyd",
        "yes: 'yes' has 2 of 3 votes",
    ]
    tally = team("vote", "voters", "Ship it?", "--json").json
    assert (tally["winner"], tally["voted"], tally["scores"]) == ("yes", ["ann", "ben", "cyd"], {"yes": 2.0, "no": 1.0})


def test_no_decision_is_exit_code_1(team: Cli) -> None:
    done = team("vote", "voters", "Ship it?", "--method", "unanimous", code=1)
    assert done.out.splitlines()[-1] == "no decision: not unanimous: 2 options have votes"
    done = team("vote", "voters", "Drink?", "--options", "tea, coffee", "--quorum", "3", "--method", "plurality")
    assert done.out.splitlines()[-2:] == ["abstained: ben, cyd", "tea: 'tea' has the most votes, 1 of 1"]


def test_rules_are_given_by_options(team: Cli) -> None:
    weighted = team("vote", "voters", "Ship it?", "--method", "weighted", "--weights", "cyd=5", "--json").json
    assert weighted["winner"] == "no"
    ranked = team("vote", "voters", "Which?", "--options", "a,b", "--method", "ranked", "--members", "ben", "--json").json
    assert ranked["ballots"][0]["choices"] == ["b", "a"]
    two = ("--members", "ann,cyd")
    assert team("vote", "voters", "Ship it?", *two, "--chair", "cyd", "--json").json["winner"] == "no"
    assert team("vote", "voters", "Ship it?", *two, "--tie", "first", "--json").json["winner"] == "yes"
    secret = team("vote", "voters", "Ship it?", "--secret", "--json").json
    assert {ballot["voter"] for ballot in secret["ballots"]} == {""}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--method", "loudest"), "makes no sense"),
        (("--quorum", "4"), "4 of 3 voters"),
        (("--weights", "ann"), "no NAME=NUMBER"),
        (("--chair", "dan"), "'dan' is no voter"),
    ],
)
def test_what_nobody_can_vote_on_is_exit_code_2(team: Cli, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in team("vote", "voters", "Ship it?", *arguments, code=2).err


def test_a_team_that_does_not_run_is_exit_code_4(team: Cli) -> None:
    assert "does not run here" in team("vote", "strangers", "Ship it?", code=4).err


def test_a_voter_that_is_killed_while_it_is_asked_is_asked_again_once_it_is_back(team: Cli) -> None:
    pids = {one["name"]: one["pid"] for one in team("ps", "--json").json}
    listening = team.start("sub", "asked.ben", "--count", "1", "--json", "--team", "voters")
    assert listening.stderr is not None
    assert "listening" in listening.stderr.readline()
    options = ("--options", "tea,no", "--tie", "first", "--quorum", "2", "--json")
    voting = team.start("vote", "voters", "Hang?", *options)
    out, err = listening.communicate(timeout=SECONDS)
    assert json.loads(out)["payload"] == "Hang?", err
    os.kill(pids["ben"], signal.SIGKILL)
    out, err = voting.communicate(timeout=SECONDS)
    assert voting.returncode == 0, err
    tally = json.loads(out)
    assert (tally["winner"], tally["voted"], tally["tied"]) == ("tea", ["ann", "ben", "cyd"], ["tea", "no"])
    assert tally["abstentions"] == 1


def test_an_agent_that_is_not_there_is_absent(team: Cli) -> None:
    done = team("vote", "voters", "Ship it?", "--members", "ann,dan", "--quorum", "2", code=1)
    assert done.out.splitlines()[-2].startswith("absent: dan (no_such_agent")
    assert done.out.splitlines()[-1] == "no decision: no quorum: 1 ballot, and 2 are needed"


def test_the_members_of_a_chat_vote_on_record(team: Cli) -> None:
    assert team("chat", "start", "voters", "Talk.", "--chat", "c1", "--members", "cyd,ann", "--detach").out == "c1\n"
    tally = team("vote", "voters", "Ship it?", "--chat", "c1", "--tie", "first", "--json").json
    assert (tally["winner"], tally["voted"]) == ("yes", ["cyd", "ann"])
    recorded = [why for why in team("chat", "why", "c1", "--team", "voters", "--json").json if why["method"] == "vote"]
    assert [why["tally"]["ballots"] for why in recorded] == [tally["ballots"]]
    assert "3 of 2 voters" in team("vote", "voters", "Ship it?", "--chat", "c1", "--quorum", "3", code=2).err
    assert "there is no chat 'c2'" in team("vote", "voters", "Ship it?", "--chat", "c2", code=1).err
    shown = team("chat", "why", "c1", "--team", "voters").out.splitlines()
    assert shown[-4].endswith(": Ship it? → yes: a tie between 'yes' and 'no' (each has half of the votes); 'yes' stands first")
    assert shown[-3:] == ["    method: vote", "    cyd voted: no", "    ann voted: yes (I say yes, or else tea.)"]
    page = team("chat", "export", "c1", "--team", "voters").out
    assert "'yes' stands first  \n> cyd voted: no  \n> ann voted: yes (I say yes, or else tea.)" in page
    assert "<br>cyd voted: no<br>" in team("chat", "export", "c1", "--format", "html", "--team", "voters").out
    assert "intact" in team("chat", "verify", "c1", "--team", "voters").out
    team("chat", "stop", "c1", "--team", "voters")
