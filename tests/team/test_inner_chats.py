"""A group chat as one agent of another, as processes."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.conftest import until

from rostra.agents.group_chat import task_of
from rostra.protocol import COORDINATOR, ChatMessage, Refused
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatRef, ChatStart
from rostra.team import Team
from rostra.team.places import Places

pytestmark = pytest.mark.timeout(90)

TEAM = """
[team]
name = "nested"
[chat]
selection = "round_robin"
max_rounds = 3
[agents.panel]
kind = "group_chat"
members = ["ann", "bob"]
[agents.panel.chat]
selection = "parallel"
max_rounds = 3
[agents.chief]
kind = "handler"
handler = "voices:chief"
[agents.ann]
kind = "handler"
handler = "voices:ann"
[agents.bob]
kind = "handler"
handler = "voices:bob"
"""
VOICES = """
import asyncio
from pathlib import Path

HERE = Path(__file__).parent

async def ann(message, context):
    (HERE / "ann").open("a").write("x")
    return f"ann on {message.content}"

async def bob(message, context):
    while not (HERE / "go").exists():
        await asyncio.sleep(0.01)
    return f"bob on {message.content}"

async def chief(message, context):
    return f"so be it: {message.content}"
"""


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    (tmp_path / "team.toml").write_text(TEAM)
    (tmp_path / "voices.py").write_text(VOICES)
    return tmp_path / "team.toml"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.here({"ROSTRA_HOME": str(tmp_path / "home")})


@pytest.mark.semantics("S2.16")
async def test_the_talk_of_an_inner_chat_is_one_turn_outside_and_on_record_like_any_other(nested: Path, places: Places) -> None:
    (nested.parent / "go").touch()
    async with Team.load(nested, places=places) as team:
        result = await team.run("money", chat="outer")
        chats = {info.chat: info for info in await team.chats.all()}
        (inner,) = set(chats) - {"outer"}
        said = [message async for message in team.chats.history(inner)]
    assert [(message.name, message.text) for message in result.messages] == [
        ("user", "money"),
        ("panel", "bob on money"),
        ("chief", "so be it: bob on money"),
    ]
    assert [(message.name, message.text) for message in said] == [
        ("user", "money"),
        ("ann", "ann on money"),
        ("bob", "bob on money"),
    ]
    assert result.messages[1].metadata["chat"] == inner
    assert inner.startswith("outer-panel-")
    assert [member.name for member in chats["outer"].members] == ["panel", "chief"]


@pytest.mark.semantics("S2.16")
@pytest.mark.parametrize("victim", ["panel", "coordinator"])
async def test_a_death_in_the_midst_of_an_inner_chat_repeats_none_of_it(nested: Path, places: Places, victim: str) -> None:
    async with Team.load(nested, places=places) as team:
        run = asyncio.create_task(team.run("money", chat="outer"))
        await until(lambda: (nested.parent / "ann").exists())
        assert team.supervisor is not None
        os.kill(team.supervisor.pid(victim), signal.SIGKILL)
        (nested.parent / "go").touch()
        result = await run
        chats = [info.chat for info in await team.chats.all()]
    assert [message.text for message in result.messages][1:] == ["bob on money", "so be it: bob on money"]
    assert len(chats) == 2
    assert (nested.parent / "ann").read_text() == "x"


async def test_an_inner_chat_ends_with_the_one_around_it(nested: Path, places: Places) -> None:
    async with Team.load(nested, places=places) as team:
        await team.chats.start("money", chat="outer")
        await until(lambda: (nested.parent / "ann").exists())
        inner = next(info.chat for info in await team.chats.all() if info.chat != "outer")
        async with team.client.subscribe(f"chat.{inner}") as events:
            await team.chats.stop("outer", "enough")
            async for event in events:
                result = event.decode(ChatEvent).result
                if result is not None:
                    break
            else:
                raise AssertionError
        (nested.parent / "go").touch()
    assert (result.outcome, result.stop_reason) == ("stopped", "chat outer, which it is part of, is over")


async def test_an_inner_chat_ends_with_the_turn_that_it_is(nested: Path, places: Places) -> None:
    async with Team.load(nested, places=places) as team:
        run = asyncio.create_task(team.run("money", chat="outer"))
        await until(lambda: (nested.parent / "ann").exists())
        inner = next(info.chat for info in await team.chats.all() if info.chat != "outer")
        await team.chats.skip("outer", "no time")
        info = await team.client.request(COORDINATOR, "chat.wait", ChatRef(chat=inner), reply=ChatInfo)
        (nested.parent / "go").touch()
        result = await run
    assert [message.name for message in result.messages[:2]] == ["user", "chief"]
    assert info.result is not None
    assert (info.result.outcome, info.result.stop_reason) == ("stopped", "the turn in chat outer that it was is over")


async def test_nobody_begins_the_inner_chat_of_another(nested: Path, places: Places) -> None:
    async with Team.load(nested, places=places) as team:
        for wish, why in (
            (ChatStart(task="x", agent="panel"), "may not begin the inner chat of panel"),
            (ChatStart(task="x", agent="chief"), "no inner chat"),
            (ChatStart(task="x", members=("ann", "bob")), "'ann' is no member"),
        ):
            with pytest.raises(Refused, match=why):
                await team.client.request(COORDINATOR, "chat.start", wish, reply=ChatInfo)


def test_the_task_of_an_inner_chat_is_what_was_said_since_the_agent_spoke_last() -> None:
    history = [ChatMessage(name=name, content=text) for name, text in (("user", "a"), ("panel", "b"), ("ann", "c"), ("bob", "d"))]
    assert task_of(history, "panel") == "ann: c\n\nbob: d"
    assert task_of(history[:1], "panel") == "a"
    assert task_of(history[:3], "panel") == "c"
