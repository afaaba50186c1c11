"""Votes over real processes: by every method, with voters that are killed while they are asked."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rostra.protocol import COORDINATOR, Ballot, Client, Proposal, Tally
from rostra.protocol.chat import ChatRef, Verdict, VoteRequest, Why
from rostra.protocol.voting import METHODS, Method
from rostra.team import Team
from rostra.team.places import Places

PROCESS = """
import asyncio, sys
from rostra.agents import Actor
from rostra.protocol import Ballot, Client, Member

address, name, says = sys.argv[1:]

class Voter:
    async def respond(self, message, context):
        return says

    async def vote(self, proposal, context):
        context.publish(f"asked.{name}", proposal.method)
        if says == "nothing":
            await asyncio.Event().wait()
        several = proposal.method in ("approval", "ranked")
        return says.split(">") if several else says.split(">")[0]

async def main():
    client = Client.connect(address, name=name)
    Actor(client, Voter(), Member(name=name), concurrency=16)  # before anybody can ask
    async with client:
        await client.ended

asyncio.run(main())
"""
DECISIONS: dict[Method, tuple[str, str]] = {
    "majority": ("cheddar", "'cheddar' has 2 of 3 votes"),
    "plurality": ("cheddar", "'cheddar' has the most votes, 2 of 3"),
    "approval": ("brie", "'brie' has the most approvals, 3 of 5"),
    "ranked": ("cheddar", "'cheddar' has 2 of 3 votes in round 1"),
    "weighted": ("brie", "'brie' has 4 of 6 weight"),
    "unanimous": ("", "not unanimous: 2 options have votes"),
}
VOTERS = {"ann": "brie", "ben": "cheddar>brie", "cyd": "cheddar>brie", "dud": "nothing"}

Start = Callable[[str, str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(broker_address: str) -> Iterator[Start]:
    """Starts a voter as a process of its own; all are ended at the end."""
    processes: list[subprocess.Popen[bytes]] = []

    def voter(name: str, says: str) -> "subprocess.Popen[bytes]":
        processes.append(subprocess.Popen([sys.executable, "-c", PROCESS, broker_address, name, says]))
        return processes[-1]

    yield voter
    for process in processes:
        process.kill()
        process.wait()


async def test_a_killed_voter_is_absent_whatever_the_method(start: Start, broker_address: str) -> None:
    processes = {name: start(name, says) for name, says in VOTERS.items()}
    async with Client.connect(broker_address, name="probe") as bus, bus.subscribe("asked.dud") as asked:
        for name in VOTERS:
            await bus.request(name, "describe", absent=60.0)

        async def vote(method: Method) -> Tally:
            weights = {"ann": 4.0} if method == "weighted" else None
            voters = list(VOTERS)
            options = ["brie", "cheddar"]
            return await bus.vote("Which?", options, members=voters, method=method, quorum=3, timeout=90.0, weights=weights)

        voting = [asyncio.create_task(vote(method)) for method in METHODS]
        assert {(await anext(asked)).payload for _ in METHODS} == set(METHODS)
        os.kill(processes["dud"].pid, signal.SIGKILL)
        for method, tally in zip(METHODS, await asyncio.gather(*voting), strict=True):
            assert (tally.winner, tally.reason) == DECISIONS[method]
            assert tally.voted == ("ann", "ben", "cyd")
            assert tally.absent["dud"].startswith(("peer_lost", "no_such_agent"))


async def test_a_silent_voter_is_absent_when_the_time_is_up(start: Start, broker_address: str) -> None:
    for name in ("ben", "dud"):
        start(name, VOTERS[name])
    async with Client.connect(broker_address, name="probe") as bus:
        for name in ("ben", "dud"):
            await bus.request(name, "describe", absent=60.0)
        tally = await bus.vote("Which?", ["brie", "cheddar"], members=["ben", "dud"], quorum=2, timeout=2.0)
    assert (tally.winner, tally.reason) == ("", "no quorum: 1 ballot, and 2 are needed")
    assert tally.absent["dud"].startswith("timed_out")


WORKED = """
import asyncio, json, sys
from rostra.protocol import Ballot, Client, Service
from rostra.protocol.chat import VoteRequest
from rostra.protocol.frames import encode_body, encode_head
from rostra.protocol.messages import Reply

address, name = sys.argv[1:]

async def main():
    client = Client.connect(address, name=name)

    def send(request, choices):  # whatever the session makes of it
        client._transport.send(request.sender.encode(), encode_head(Reply(request.id)), encode_body(Ballot(choices=choices)))

    async def vote(wish, request):
        said = json.loads(wish.proposal.text).get(name, "-")
        if said == "late":
            asyncio.get_running_loop().call_later(wish.proposal.seconds + 0.2, send, request, wish.proposal.options[:1])
            await asyncio.Event().wait()
        first, _, second = said.partition("+")
        choices = () if first == "-" else tuple(first.split(">"))
        if second:  # two ballots
            send(request, choices)
            send(request, (second,))
        return Ballot(choices=choices)

    Service(client, concurrency=64).method("vote", VoteRequest, vote)  # before anybody can ask
    async with client:
        await client.ended

asyncio.run(main())
"""
EXAMPLES: list[tuple[Method, str, dict[str, Any], str, str]] = [
    # method; the ballots of v1 to v5: `a>b` an order, `-` an abstention, `a+b` two ballots, `late`; rules; winner; reason
    ("majority", "a a b - late", {}, "a", "'a' has 2 of 3 votes"),
    ("majority", "a a b b -", {}, "", "a tie between 'a' and 'b' (each has half of the votes)"),
    ("majority", "b+a b a a -", {"tie": "first"}, "a", "… (each has half of the votes); 'a' stands first"),
    ("majority", "a+b a+b b b -", {"tie": "chair", "chair": "v4"}, "b", "… 'b' is the choice of v4"),
    ("majority", "a a b - late", {"quorum": 5}, "", "no quorum: 4 ballots, and 5 are needed"),
    ("majority", "- - - - late", {}, "", "everybody abstained"),
    ("plurality", "a a b b c", {}, "", "a tie between 'a' and 'b' (each has 2 votes)"),
    ("plurality", "a a+b b c late", {}, "a", "'a' has the most votes, 2 of 4"),
    ("plurality", "a a b b c", {"tie": "chair", "chair": "v5"}, "", "… which the ballot of v5 does not decide"),
    ("plurality", "a - late late late", {"quorum": 3}, "", "no quorum: 2 ballots, and 3 are needed"),
    ("approval", "a>b b a+c - late", {"tie": "first"}, "a", "… 'a' stands first"),
    ("approval", "a>b b b>c+a - late", {}, "b", "'b' has the most approvals, 3 of 5"),
    ("approval", "a>b b a - late", {}, "", "a tie between 'a' and 'b' (each has 2 approvals)"),
    ("ranked", "a>b a>b b>a c>b c>b", {}, "a", "'a' has 3 of 5 votes in round 2"),
    ("ranked", "a a b b -", {}, "", "a tie between 'a' and 'b' in round 2"),
    ("ranked", "a a b+a b late", {"tie": "first"}, "a", "'a' has 2 of 2 votes in round 3"),
    ("weighted", "a b b - late", {"weights": {"v1": 3.0}}, "a", "'a' has 3 of 5 weight"),
    ("weighted", "a b b+a - late", {"weights": {"v1": 2.0}}, "", "a tie between 'a' and 'b' (each has half of the weight)"),
    ("weighted", "a b b - late", {"weights": {"v1": 2.0}, "tie": "chair", "chair": "v1"}, "a", "… 'a' is the choice of v1"),
    ("unanimous", "b b b - late", {}, "b", "'b' has all of 3 votes"),
    ("unanimous", "b b+a b b a", {}, "", "not unanimous: 2 options have votes"),
    ("unanimous", "b b late - -", {"quorum": 5}, "", "no quorum: 4 ballots, and 5 are needed"),
]


@pytest.fixture
def working(broker_address: str) -> Iterator[list[str]]:
    """The names of five voters, each a process, that vote as the proposal's text says."""
    voters = [f"v{number}" for number in range(1, 6)]
    processes = [subprocess.Popen([sys.executable, "-c", WORKED, broker_address, name]) for name in voters]
    yield voters
    for process in processes:
        process.kill()
        process.wait()


async def test_every_method_decides_as_worked_out_by_hand_among_processes(working: list[str], broker_address: str) -> None:
    voters = working
    async with Client.connect(broker_address, name="probe") as bus:
        for name in voters:
            await bus.request(name, "vote", _wish({}), reply=Ballot, absent=60.0)

        async def held(method: Method, ballots: dict[str, str], rules: dict[str, Any], secret: bool) -> Tally:
            seconds = 1.5 if "late" in ballots.values() else 60.0
            return await bus.vote(
                json.dumps(ballots), ["a", "b", "c"], members=voters, method=method, timeout=seconds, secret=secret, **rules
            )

        wishes = [
            (dict(zip(voters, text.split(), strict=True)), secret and "chair" not in example[2], example)
            for secret in (False, True)
            for example in EXAMPLES
            for text in [example[1]]
        ]
        tallies = await asyncio.gather(*(held(each[0], ballots, each[2], secret) for ballots, secret, each in wishes))
        for (ballots, secret, (_, _, _, winner, reason)), tally in zip(wishes, tallies, strict=True):
            assert tally.winner == winner, (ballots, tally)
            assert tally.reason.endswith(reason.removeprefix("… ")), (ballots, tally)
            late = [name for name, said in ballots.items() if said == "late"]
            assert sorted(tally.absent) == late
            assert all(why.startswith("timed_out") for why in tally.absent.values())
            assert tally.voted == tuple(name for name in voters if name not in late)
            assert tally.abstentions == list(ballots.values()).count("-")
            told = {ballot.voter: ballot.choices for ballot in tally.ballots}
            if secret:
                assert set(told) <= {""}
            else:
                first = {name: said.partition("+")[0] for name, said in ballots.items() if said != "late"}
                assert told == {name: () if said == "-" else tuple(said.split(">")) for name, said in first.items()}


def _wish(ballots: dict[str, str]) -> VoteRequest:
    return VoteRequest(proposal=Proposal(text=json.dumps(ballots), options=("a", "b")))


TEAM = """
[team]
name = "votes"
[chat]
selection = "round_robin"
[models.default]
api = "scripted"
script = "script.toml"
[agents.ann]
kind = "assistant"
[agents.phoenix]
kind = "handler"
handler = "voters:Phoenix"
"""
PHOENIX = """
import asyncio
from pathlib import Path

class Phoenix:
    async def respond(self, message, context):
        return "yes"

    async def vote(self, proposal, context):
        ashes = Path(__file__).with_name("ashes")
        if ashes.exists():
            return "yes"
        ashes.touch()
        context.publish("asked.phoenix", proposal.text)
        await asyncio.Event().wait()
"""


async def test_a_voter_that_is_killed_and_started_again_is_asked_again(tmp_path: Path) -> None:
    for name, text in (("team.toml", TEAM), ("script.toml", '"ann:vote" = ["yes"]'), ("voters.py", PHOENIX)):
        (tmp_path / name).write_text(text)
    async with Team.load(tmp_path / "team.toml", places=Places.here({"ROSTRA_HOME": str(tmp_path / "home")})) as team:
        assert team.supervisor is not None
        async with team.client.subscribe("asked.phoenix") as asked:
            members = ["ann", "phoenix"]
            voting = asyncio.create_task(team.client.vote("Rise?", ["yes", "no"], members=members, timeout=90.0))
            await anext(asked)
            os.kill(team.supervisor.pid("phoenix"), signal.SIGKILL)
            tally = await voting
    assert (tally.voted, tally.scores) == (("ann", "phoenix"), {"yes": 2, "no": 0})


ELECTION = """
[team]
name = "election"
[chat]
selection = "vote"
stop = 'vote("Is the task done?", every=3)'
[models.default]
api = "scripted"
script = "script.toml"
[agents.ann]
kind = "assistant"
tools = ["rostra.agents:call_vote"]
[agents.ben]
kind = "assistant"
[agents.cyd]
kind = "handler"
handler = "voters:Cyd"
"""
ELECTED = """
ann = [
    { tool_calls = [{ name = "call_vote", arguments = { text = "Ship it?", options = ["yes", "no"] } }] },
    "We ship it.",
]
ben = ["Fine."]
"ann:vote" = ["ann", "yes", "ben", "cyd", "yes"]
"ben:vote" = ["I choose ann.", "no", "2", "abstain", "Yes."]
"""
CYD = """
class Cyd:
    async def respond(self, message, context):
        return "Done."

    async def vote(self, proposal, context):
        return "yes" if "yes" in proposal.options else proposal.options[-1]
"""


async def test_a_team_votes_on_everything_and_it_is_on_record(tmp_path: Path) -> None:
    for name, text in (("team.toml", ELECTION), ("script.toml", ELECTED), ("voters.py", CYD)):
        (tmp_path / name).write_text(text)
    async with Team.load(tmp_path / "team.toml", places=Places.here({"ROSTRA_HOME": str(tmp_path / "home")})) as team:
        result = await team.run("Ship it or not?")
        reference = ChatRef(chat=result.chat)
        whys: list[Why] = await team.client.request(COORDINATOR, "chat.why", reference, reply=list[Why])
        verdict: Verdict = await team.client.request(COORDINATOR, "chat.verify", reference, reply=Verdict)
    assert [(said.name, said.text) for said in result.messages[1:]] == [
        ("ann", "We ship it."),
        ("ben", "Fine."),
        ("cyd", "Done."),
    ]
    assert (result.outcome, result.stop_reason) == ("ended", "the members voted yes: Is the task done?")
    assert [(why.speaker, why.tally and why.tally.reason) for why in whys] == [
        ("ann", "'ann' has the most votes, 2 of 3"),
        ("ann", "'yes' has 2 of 3 votes"),
        ("ben", "'ben' has the most votes, 2 of 3"),
        ("cyd", "'cyd' has the most votes, 2 of 2"),
        ("coordinator", "'yes' has 3 of 3 votes"),
    ]
    assert verdict.intact
    assert whys[1].tally is not None
    assert [ballot.choices for ballot in whys[1].tally.ballots] == [("yes",), ("no",), ("yes",)]
