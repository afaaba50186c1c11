"""The floor and the past of a chat from Python: what members see after it."""

import asyncio
import contextlib

import pytest

from rostra.agents.responder import Context
from rostra.protocol import COORDINATOR, ChatMessage
from rostra.protocol.chat import ChatControl, ChatEvent, ChatInfo, Records, RecordsRequest
from rostra.team import Team


class Teller:
    """An agent that tells everything that it has seen."""

    def __init__(self, name: str) -> None:
        self.name, self.description = name, "tells what it has seen"

    async def respond(self, message: ChatMessage, context: Context) -> str:
        return f"{self.name}:" + ",".join(each.text[:5] for each in context.history)


async def watched(team: Team, chat: str) -> list[str]:
    """What is said in a chat, to its end."""
    texts: list[str] = []
    async with contextlib.aclosing(team.chats.follow(chat)) as events:
        async for event in events:
            if isinstance(event, ChatEvent) and event.message is not None:
                texts.append(event.message.text)
    return texts


async def test_members_see_what_stands_after_a_rewind_and_a_fork() -> None:
    async with Team.local([Teller("a"), Teller("b")], selection="round_robin", max_rounds=6) as team:
        first = await team.run("begin", chat="c1")
        assert first.messages[3].text == "a:begin,a:beg,b:beg"
        await team.chats.rewind("c1", 2, "rather", name="boss")
        texts = await watched(team, "c1")
        assert texts[:4] == ["begin", "a:begin", "rather", "b:begin,a:beg,rathe"]
        assert texts[4] == "a:begin,a:beg,rathe,b:beg"
        forked = await team.chats.fork("c1", 3, "or so", fork="c2")
        assert (forked.parent, forked.chat) == ("c1", "c2")
        texts = await watched(team, "c2")
        assert texts[:5] == ["begin", "a:begin", "rather", "or so", "b:begin,a:beg,rathe,or so"]
        hits = await team.chats.search("rather", speaker="boss")
        assert sorted((hit.chat, hit.sequence) for hit in hits) == [("c1", 3), ("c2", 3)]
        assert (await team.chats.verify("c1")).intact


async def test_a_member_that_joins_late_is_shown_the_last_messages_only() -> None:
    async with Team.local([Teller("a"), Teller("b"), Teller("c")], selection="round_robin", max_rounds=5) as team:
        await team.run("begin", chat="c1", members=("a", "b"))
        await team.chats.rewind("c1", 3, paused=True)
        wish = ChatControl(chat="c1", agent="c", last=1)
        await team.client.request(COORDINATOR, "chat.join", wish, reply=ChatInfo)
        await team.chats.next("c1", "c")
        await team.chats.resume("c1")
        assert (await watched(team, "c1"))[3] == "c:b:beg"


@pytest.mark.semantics("S2.20")
async def test_members_answer_from_what_is_left_after_clear_history() -> None:
    agents = [Teller("a"), Teller("b")]
    async with Team.local(agents, selection="round_robin", max_rounds=7, clear_history=True) as team:
        await team.run("begin", chat="c1", max_rounds=4)
        await team.chats.rewind("c1", 3, paused=True)
        await team.client.request(COORDINATOR, "chat.limit", ChatControl(chat="c1", max_rounds=7), reply=ChatInfo)
        await team.chats.say("c1", "Please clear history 1")
        await team.chats.resume("c1")
        texts = await watched(team, "c1")
    assert texts[3:5] == ["Please clear history 1", "a:b:beg,Pleas"]
    assert len(texts) == 7


async def test_of_several_who_were_asked_at_once_one_is_passed_over() -> None:
    never = asyncio.Event()

    class Silent(Teller):
        async def respond(self, message: ChatMessage, context: Context) -> str:
            await never.wait()
            return "never"

    async with Team.local([Teller("a"), Silent("b")], selection="parallel", max_rounds=4, turn_retries=0) as team:
        async with contextlib.aclosing(team.stream("begin", chat="c1")) as events:
            async for event in events:
                if isinstance(event, ChatEvent) and event.type == "selected" and event.speaker == "b":
                    await team.chats.skip("c1", agent="b")
                if isinstance(event, ChatEvent) and event.message is not None and event.speaker == "a":
                    assert (event.sequence, event.message.text) == (2, "a:begin")
                    break
        found: Records = await team.client.request(COORDINATOR, "chat.records", RecordsRequest(chat="c1"), reply=Records)
    closed = [(record.speaker, record.state) for record in found.records if record.kind == "turn" and record.sequence in (0, 2)]
    assert closed[:2] == [("a", "done"), ("b", "failed")]
