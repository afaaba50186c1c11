"""Where people are asked."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rostra.agents import Actor, Context, InboxInput, NobodyToAsk, TerminalInput, UserProxyAgent
from rostra.agents.human import question_id
from rostra.protocol import Answer, ChatMessage, Client, Incoming, Member, Question, Service, Turn, TurnReply
from rostra.protocol.ids import new_id

Join = Callable[..., Awaitable[Client]]
BOUND = 20.0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_a_terminal_shows_the_question_and_reads_one_line() -> None:
    shown = io.StringIO()
    person = TerminalInput(Terminal("yes\nno\n"), shown)
    assert (await person.ask(Question(text="Ship it?", options=("yes", "no")))).text == "yes"
    assert (await person.ask(Question(text="Sure?"))).text == "no"
    assert shown.getvalue() == "Ship it? [yes / no] Sure? "


async def test_the_end_of_input_is_an_empty_answer() -> None:
    assert (await TerminalInput(Terminal(""), io.StringIO()).ask(Question(text="?"))).text == ""


async def test_without_a_terminal_nobody_is_asked() -> None:
    with pytest.raises(NobodyToAsk, match="ann asks a person, but standard input is no terminal"):
        await TerminalInput(io.StringIO("yes\n"), io.StringIO()).ask(Question(text="?", agent="ann"))


async def inbox(join: Join, *answers: str) -> tuple[Client, list[tuple[bytes, Question]]]:
    asked: list[tuple[bytes, Question]] = []

    async def ask(question: Question, request: Incoming) -> Answer:
        asked.append((request.id, question))
        return Answer(text=answers[len(asked) - 1], by="console-abcdef")

    coordinator = await join("coordinator")
    Service(coordinator).method("inbox.ask", Question, ask)
    return coordinator, asked


async def test_questions_of_a_turn_have_ids_that_follow_from_it(join: Join) -> None:
    _, asked = await inbox(join, "a", "b")
    person = InboxInput(await join("ann"), b"t" * 16)
    async with asyncio.timeout(BOUND):
        assert [(await person.ask(Question(text=text))).text for text in ("one", "two")] == ["a", "b"]
    assert [id_ for id_, _ in asked] == [question_id(b"t" * 16, 0), question_id(b"t" * 16, 1)]
    assert len({len(id_) for id_, _ in asked} | {16}) == 1


async def test_a_turn_that_is_done_again_asks_under_the_same_id(join: Join) -> None:
    coordinator, asked = await inbox(join, "yes", "yes")
    id_ = new_id()
    turn = Turn(chat="c1", sequence=2, epoch=1, after=0, messages=(ChatMessage(content="ok?", name="bob", sequence=1),))
    for name in ("ann", "amy"):  # as if another process did the turn of the one that died
        Actor(await join(name), UserProxyAgent(name), Member(name=name))
        reply: TurnReply = await coordinator.request(name, "turn", turn, reply=TurnReply, timeout=BOUND, id=id_)
        assert reply.message is not None
        assert (reply.message.text, reply.message.metadata["person"]) == ("yes", "console-abcdef")
    assert asked[0][0] == asked[1][0] == question_id(id_, 0)
    assert [(question.chat, question.agent) for _, question in asked] == [("c1", "ann"), ("c1", "amy")]


async def test_an_actor_can_be_given_people_of_its_own(join: Join) -> None:
    class Parrot:
        async def ask(self, question: Question) -> Answer:
            return Answer(text=f"{question.agent}!")

    async def curious(message: ChatMessage, context: Context) -> str:
        assert context.human is not None
        return (await context.human.ask(Question(text="?", agent=context.agent))).text

    Actor(await join("ann"), curious, Member(name="ann"), human=Parrot())
    probe: Any = await join("probe")
    assert (await probe.ask("ann", "x", timeout=BOUND)).content == "ann!"
