"""Agents vote: from words to ballots, and how handlers, models and people come to theirs, over both transports."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from rostra.agents import Actor, AssistantAgent, Context, ConversableAgent, ScriptedModel, UserProxyAgent, agent, call_vote
from rostra.agents.ballots import question, read_ballot
from rostra.agents.tools.vote import told
from rostra.protocol import (
    COORDINATOR,
    Answer,
    Ballot,
    ChatMessage,
    Client,
    History,
    HistoryRequest,
    Incoming,
    Member,
    Proposal,
    Question,
    Service,
    Tally,
    Turn,
    Usage,
)
from rostra.protocol.chat import ChatVote
from rostra.protocol.completion import Completion, CompletionRequest
from rostra.protocol.vote import vote as hold

Join = Callable[..., Awaitable[Client]]
YES_NO = ("yes", "no")
CHEESES = ("brie", "blue brie", "cheddar")


def proposal(method: Any = "majority", options: tuple[str, ...] = YES_NO, **rules: Any) -> Proposal:
    return Proposal(text="Ship it?", options=options, method=method, **{"seconds": 20.0, **rules})


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("yes", "yes"),
        ("Yes.", "yes"),
        (" **YES** ", "yes"),
        ("2", "no"),
        ("2. no", "no"),
        ("The tests pass, so I say yes!", "yes"),
        ("Yes and no have merits.\n\nno", "no"),
        ("No\n\nbecause yes would be rash", "no"),
        ("yes or no", None),
        ("yesterday", None),
        ("3", None),
        ("", None),
        ("abstain", ""),
        ("I abstain from this one.", ""),
    ],
)
def test_an_answer_names_one_option_or_none(text: str, choice: str | None) -> None:
    ballot = read_ballot(text, proposal())
    assert (ballot and "".join(ballot.choices)) == choice


@pytest.mark.parametrize(
    ("method", "text", "choices"),
    [
        ("majority", "blue  brie", ("blue brie",)),
        ("majority", "I like Blue Brie best", ("blue brie",)),
        ("approval", "cheddar, brie", ("cheddar", "brie")),
        ("approval", "brie and blue brie", ("brie", "blue brie")),
        ("approval", "I can live with cheddar", ("cheddar",)),
        ("ranked", "cheddar > brie > blue brie", ("cheddar", "brie", "blue brie")),
        ("ranked", "1. cheddar\n2. brie", ("cheddar", "brie")),
        ("ranked", "3 > 1", ("cheddar", "brie")),
        ("ranked", "Best is brie, then comes cheddar.", ("brie", "cheddar")),
        ("ranked", "gouda", None),
    ],
)
def test_an_answer_names_several_options_where_several_may_be_named(method: str, text: str, choices: Any) -> None:
    ballot = read_ballot(text, proposal(method, CHEESES))
    assert (ballot and ballot.choices) == choices


def test_voters_are_told_that_a_vote_is_secret() -> None:
    assert question(proposal(secret=True)).startswith("Secret vote: Ship it?")
    assert question(proposal()).startswith("Vote: Ship it?")


def test_what_is_said_beside_the_vote_is_its_reason() -> None:
    said = read_ballot("It is tested. yes", proposal())
    assert said == Ballot(choices=("yes",), reason="It is tested. yes")
    assert read_ballot("a > b", proposal("ranked", ("a", "b"))) == Ballot(choices=("a", "b"))


# ---- agents


async def voted(join: Join, responder: Any, asked: Proposal, **options: Any) -> Tally:
    actor = Actor(await join("ann"), responder, Member(name="ann"), **options)
    tally = await hold(await join("probe"), asked, ["ann"])
    await actor.drain(1.0)
    return tally


@agent
async def careful(message: ChatMessage, context: Context) -> str:
    assert context.history[-1] == message
    assert "1. yes\n2. no" in message.text
    return f"{message.metadata['proposal']['text']} No, {context.sender}."


async def test_a_handler_is_told_the_proposal_and_its_answer_is_read(join: Join) -> None:
    tally = await voted(join, careful, proposal())
    assert (tally.winner, tally.ballots[0].reason) == ("no", "Ship it? No, probe.")


class Voter:
    """A handler with a vote of its own."""

    def __init__(self, ballot: Any) -> None:
        self.ballot = ballot

    def respond(self, message: ChatMessage) -> str:
        return "yes"

    def vote(self, asked: Proposal) -> Any:
        return self.ballot


@pytest.mark.parametrize(
    ("said", "choices"),
    [(Ballot(choices=("no",)), ("no",)), ("no", ("no",)), (["no"], ("no",)), (None, ()), ("perhaps", ())],
)
async def test_a_handler_may_have_a_vote_of_its_own(join: Join, said: Any, choices: Sequence[str]) -> None:
    tally = await voted(join, Voter(said), proposal())
    assert [ballot.choices for ballot in tally.ballots] == [choices]


async def test_a_voter_that_fails_is_absent(join: Join) -> None:
    tally = await voted(join, Voter(42), proposal())
    assert not tally.ballots
    assert "a vote is a Ballot" in tally.absent["ann"]


class Model:
    """Says one thing after the other, and remembers what it was asked."""

    def __init__(self, *said: str) -> None:
        self.said, self.asked = list(said), list[CompletionRequest]()

    async def complete(self, request: CompletionRequest, on_delta: Any = None) -> Completion:
        self.asked.append(request)
        return Completion(content=self.said.pop(0), usage=Usage(prompt_tokens=7))


async def test_a_model_votes_and_what_it_used_is_told(join: Join) -> None:
    model = Model("The tests are green.\nyes")
    tally = await voted(join, AssistantAgent("ann", "You are careful.", model=model), proposal())
    assert (tally.winner, tally.usage) == ("yes", (Usage(prompt_tokens=7),))
    assert [message.role for message in model.asked[0].messages] == ["system", "user"]
    assert model.asked[0].messages[-1].text == question(proposal())
    assert model.asked[0].agent == "ann:vote"


@pytest.mark.parametrize(("said", "choices"), [(("hm", "no"), ("no",)), (("hm", "well"), ())])
async def test_a_model_that_names_no_option_is_asked_once_more(join: Join, said: Any, choices: Any) -> None:
    model = Model(*said)
    tally = await voted(join, AssistantAgent("ann", model=model), proposal())
    assert tally.ballots[0].choices == choices
    assert "That is no vote" in model.asked[1].messages[-1].text
    assert tally.usage == (Usage(prompt_tokens=7),) * 2


async def test_a_scripted_model_votes_from_a_list_of_its_own(join: Join) -> None:
    script = {"ann": ["a reply"], "ann:vote": ["yes", "no"]}
    actor = Actor(await join("ann"), AssistantAgent("ann", model=ScriptedModel(script)), Member(name="ann"))
    probe = await join("probe")
    assert [(await hold(probe, proposal(), ["ann"], ordinal=number)).winner for number in range(2)] == ["yes", "no"]
    assert (await probe.ask("ann", "Hello?")).text == "a reply"
    await actor.drain(1.0)


class Person:
    """Answers what it is asked."""

    def __init__(self, *said: Answer) -> None:
        self.said, self.asked = list(said), list[Question]()

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        return self.said.pop(0)


@pytest.mark.parametrize(
    ("said", "choices"),
    [
        ((Answer(text="2", by="eve"),), ("no",)),
        ((Answer(text="", by="eve"),), ()),
        ((Answer(text="dunno", by="eve"), Answer(text="Yes", by="eve")), ("yes",)),
        ((Answer(text="dunno", by="eve"), Answer(text="dunno", by="eve")), ()),
    ],
)
async def test_a_person_votes_through_the_inbox(join: Join, said: Any, choices: Any) -> None:
    person = Person(*said)
    tally = await voted(join, UserProxyAgent("ann"), proposal(), human=person)
    assert tally.ballots[0].choices == choices
    assert person.asked[0].options == YES_NO
    assert person.asked[0].seconds == 20.0


async def test_a_person_who_does_not_answer_is_absent(join: Join) -> None:
    tally = await voted(join, UserProxyAgent("ann"), proposal(), human=Person(Answer(text="")))
    assert not tally.ballots
    assert "did not answer" in tally.absent["ann"]


async def test_who_has_neither_model_nor_person_abstains(join: Join) -> None:
    tally = await voted(join, ConversableAgent("ann", human_input_mode="NEVER"), proposal())
    assert (tally.abstentions, tally.winner) == (1, "")


async def test_in_a_chat_a_voter_sees_what_it_has_missed_without_losing_its_place(join: Join) -> None:
    seen: list[list[str]] = []

    class Witness:
        async def respond(self, message: ChatMessage, context: Context) -> str:
            seen.append([each.text for each in context.history])
            return "spoken"

        async def vote(self, asked: Proposal, context: Context) -> str:
            seen.append([each.text for each in context.history])
            return "yes"

    async def history(wanted: HistoryRequest, request: Incoming) -> History:
        return History(messages=tuple(said[wanted.after :]))

    said = [ChatMessage(content=f"m{place}", name="bob", sequence=place) for place in range(1, 4)]
    actor = Actor(await join("ann"), Witness(), Member(name="ann"))
    registrar = Service(await join(COORDINATOR))
    registrar.method("history", HistoryRequest, history)
    probe = await join("probe")
    missed = Turn(chat="c1", sequence=4, epoch=1, after=2, messages=(said[2],))
    assert (await hold(registrar.client, proposal(), ["ann"], turn=lambda voter: missed)).winner == "yes"
    refused = await hold(probe, proposal(), ["ann"], turn=lambda voter: missed)
    assert "probe holds no chats" in refused.absent["ann"]
    first = Turn(chat="c1", sequence=2, epoch=1, after=0, messages=(said[0],))
    await probe.request("ann", "turn", first)
    assert seen == [["m1", "m2", "m3"], ["m1"]]
    await actor.drain(1.0)


async def test_a_model_calls_for_a_vote_of_its_chat(join: Join) -> None:
    wishes: list[tuple[ChatVote, bytes]] = []

    async def chat_vote(wish: ChatVote, request: Incoming) -> Tally:
        wishes.append((wish, request.id))
        return Tally(
            proposal=wish.proposal,
            winner="yes",
            reason="'yes' has 1 of 1 votes",
            ballots=(Ballot(voter="bob", choices=("yes",), reason="why not"), Ballot(voter="cid")),
            absent={"dan": "dead"},
        )

    coordinator = Service(await join(COORDINATOR))
    coordinator.method("chat.vote", ChatVote, chat_vote)
    probe = await join("probe")
    context = Context(agent="ann", chat="c1", turn=b"t" * 16, client=probe)
    for _ in range(2):
        text = await call_vote(context, "Ship it?", ["yes", "no"])
    assert text.splitlines() == [
        "Decision: yes",
        "Because: 'yes' has 1 of 1 votes",
        "bob: yes (why not)",
        "cid: abstains",
        "dan did not vote (dead)",
    ]
    assert len({id_ for _, id_ in wishes}) == 1
    assert wishes[0][0].chat == "c1"
    with pytest.raises(RuntimeError, match="no conversation"):
        await call_vote(Context(agent="ann"), "Ship it?", ["yes", "no"])


def test_a_tally_without_a_winner_says_so() -> None:
    assert told(Tally(proposal=proposal(), reason="nobody voted")) == "No decision\nBecause: nobody voted"
