"""What members are shown: `clear history`, joining in mid-chat with a summary, and the words of the selector."""

import asyncio
from typing import Any

import pytest
from tests.conftest import until

from rostra.groupchat import ChatOptions, SelectorOptions
from rostra.groupchat.auto import Dialogue
from rostra.groupchat.clearing import Clearing, command, shown_after
from rostra.groupchat.inputs import Said
from rostra.groupchat.replaying import replay
from rostra.protocol import COORDINATOR, GATEWAY, ChatMessage, Member, Refused, Service, ToolCall, ToolResponse, Turn
from rostra.protocol.chat import ChatControl, ChatInfo
from rostra.protocol.completion import Completion, CompletionRequest

from .desk import Desk
from .team import Join, Open, Speaker, events_until_result, hold, options, said, start

MEMBERS = (Member(name="ann", description="Does sums."), Member(name="bob", description="Checks."), Member(name="eva"))


def desk(**rest: object) -> Desk:
    return Desk(ChatOptions(members=MEMBERS, selection="round_robin", clear_history=True, **rest))  # type: ignore[arg-type]


def say(chat: Desk, text: str, number: int = 1) -> None:
    chat.handle(Said(b"said %11d" % number, "user", text))


@pytest.mark.semantics("S2.20")
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("clear history", Clearing()),
        ("Please CLEAR HISTORY.", Clearing()),
        ("clear history ann", Clearing("ann")),
        ("clear history 3", Clearing("", 3)),
        ("clear history ann 3, then go on", Clearing("ann", 3)),
        ("clear history 3 ann.", Clearing("ann", 3)),
        ("clear history of everybody 3", Clearing()),
        ("clear  history bob and clear history ann 1", Clearing("ann", 1)),
        ("the history is clear", None),
        ("clear historyx", None),
    ],
)
def test_what_a_person_says_may_clear_what_members_are_shown(text: str, wanted: Clearing | None) -> None:
    assert command(text, ("ann", "bob", "eva")) == wanted


@pytest.mark.semantics("S2.20")
def test_a_call_stays_with_its_response() -> None:
    call = ChatMessage(name="ann", tool_calls=(ToolCall(id="1", name="f", arguments="{}"),))
    response = ChatMessage(name="bob", role="tool", tool_responses=(ToolResponse(id="1", content="4"),))
    messages = [ChatMessage(content="a"), call, response, ChatMessage(content="b")]
    assert [shown_after(messages, keep) for keep in range(6)] == [4, 3, 1, 1, 0, 0]


@pytest.mark.semantics("S2.20")
def test_cleared_messages_are_not_shown_any_more_and_the_transcript_keeps_them() -> None:
    chat = desk()
    chat.turn("one")
    chat.turn("two")
    chat.select()
    say(chat, "clear history 1")
    chat.answer("three")
    assert [message.text for message in chat.messages] == ["the task", "one", "two", "three", "clear history 1"]
    assert {name: chat.machine.turn_for(name).since for name in ("ann", "bob", "eva")} == {"ann": 3, "bob": 3, "eva": 3}
    (control,) = [row.control for row in chat.rows.values() if row.control]
    assert (control.what, control.by, control.last, control.sequence) == ("clear", "user", 1, 3)
    assert chat.machine.ledger.situation("c1", 9).hidden == 3
    assert replay(chat.script) == []


@pytest.mark.semantics("S2.20")
def test_one_members_view_is_cleared_alone() -> None:
    chat = desk()
    chat.turn("one")
    chat.select()
    say(chat, "clear history bob")
    chat.answer("two")
    assert [chat.machine.turn_for(name).since for name in ("ann", "bob")] == [0, 3]
    assert chat.machine.ledger.situation("c1", 9).hidden == 0


@pytest.mark.semantics("S2.20")
def test_only_people_clear_and_only_where_the_chat_says_so() -> None:
    chat = desk(people=frozenset({"eva"}))
    chat.turn("clear history")
    assert chat.machine.turn_for("bob").since == 0
    chat.turn("x")
    chat.turn("now clear history ann")
    assert chat.machine.turn_for("ann").since == 3
    off = Desk(ChatOptions(members=MEMBERS, selection="round_robin"))
    off.select()
    say(off, "clear history")
    off.answer("x")
    assert off.machine.turn_for("bob").since == 0


def test_a_clearing_is_on_record_once_also_after_a_restart() -> None:
    chat = desk()
    chat.turn("one")
    chat.select()
    say(chat, "clear history")
    chat.answer("two")
    for _ in range(2):
        chat.load()
    assert sum(row.kind == "control" for row in chat.rows.values()) == 1
    assert chat.machine.turn_for("ann").since == 3


def test_what_was_cleared_after_the_place_of_a_rewind_is_there_again() -> None:
    chat = desk()
    chat.turn("one")
    assert chat.control("clear", agent="ann") == ""
    assert chat.machine.turn_for("ann").since == 2
    assert chat.control("rewind", sequence=2) == ""
    assert chat.machine.turn_for("ann").since == 0
    assert replay(chat.script) == []


def test_a_stranger_cannot_be_cleared() -> None:
    assert "no member" in desk().control("clear", agent="zoe")


# ---- joining


async def gateway(join: Join, text: str) -> list[CompletionRequest]:
    """A gateway that always completes with `text`."""
    asked: list[CompletionRequest] = []
    service = Service(await join(GATEWAY))

    async def complete(request: CompletionRequest, _: object) -> Completion:
        asked.append(request)
        return Completion(content=text)

    service.method("complete", CompletionRequest, complete)
    return asked


@pytest.mark.semantics("S2.22")
@pytest.mark.parametrize(
    ("wish", "since", "told"),
    [
        ({}, 0, ""),
        ({"last": 1}, 2, ""),
        ({"summarised": True}, 3, "You joined this conversation later. What was said before:\nThey added."),
        ({"summarised": True, "last": 2}, 1, "You joined this conversation later. What was said before:\nThey added."),
    ],
)
async def test_who_joins_in_mid_chat_is_shown_all_or_the_last_or_told_a_summary(
    join: Join, held: Open, wish: dict[str, Any], since: int, told: str
) -> None:
    asked = await gateway(join, "They added.")
    go = asyncio.Event()

    async def ann(turn: Turn) -> str:
        if turn.sequence == 4:
            await go.wait()
        return f"ann at {turn.sequence}"

    Speaker(await join("ann"), ann)
    Speaker(await join("bob"))
    eva = Speaker(await join("eva"))
    made = await held(options("ann", "bob", "eva", selector_model="default", max_rounds=6))
    console = await join("console-1")
    async with console.subscribe("chat.c1") as events:
        await start(console, chat="c1", members=("ann", "bob"))
        await until(lambda: made.chats.runners["c1"].machine.ledger.facts.messages == 3)
        body = ChatControl(chat="c1", agent="eva", **wish)
        await console.request(COORDINATOR, "chat.join", body, reply=ChatInfo)
        go.set()
        await events_until_result(events)
    (turn, *_) = eva.turns
    assert (turn.since, turn.introduction) == (since, told)
    if told:
        (request,) = asked
        shown = [message.text for message in request.messages[:-1]]
        assert shown == ["the task", "ann at 2", "bob at 3"][:since]
        assert (request.agent, request.model) == ("summary", "default")


async def test_a_chat_without_a_model_cannot_be_summarised(join: Join, held: Open) -> None:
    go = asyncio.Event()

    async def wait(_: object) -> str:
        await go.wait()
        return "done"

    for name in ("ann", "bob", "eva"):
        Speaker(await join(name), wait)
    await held(options("ann", "bob", "eva"))
    console = await join("console-1")
    await start(console, chat="c1", members=("ann", "bob"))
    with pytest.raises(Refused, match="no model can summarise"):
        await console.request(COORDINATOR, "chat.join", ChatControl(chat="c1", agent="eva", summarised=True), reply=ChatInfo)
    go.set()


# ---- the selector's own words


@pytest.mark.semantics("S2.21")
def test_the_selector_asks_with_templates_of_ones_own() -> None:
    own = SelectorOptions(
        roles="You lead. Roles:\n{roles}\nOf {agentlist}: {json}",
        prompt="Who of {names}?",
        several="Not {found}: one of {names}!",
        none="Somebody of {names}!",
        role="user",
        retries=2,
    )
    dialogue = Dialogue(MEMBERS[:2], [ChatMessage(name="user", content="hi")], ["ann", "bob"], own)
    assert [(message.role, message.text) for message in dialogue.messages] == [
        ("system", "You lead. Roles:\nann: Does sums.\nbob: Checks.\nOf ann, bob: {json}"),
        ("user", "hi"),
        ("user", "Who of ann, bob?"),
    ]
    assert dialogue.answer("ann or bob") == ""
    assert (dialogue.messages[-1].role, dialogue.messages[-1].text) == ("user", "Not ann, bob: one of ann, bob!")
    assert dialogue.answer("zoe") == ""
    assert dialogue.messages[-1].text == "Somebody of ann, bob!"
    assert not dialogue.exhausted
    assert dialogue.answer("nobody") == ""
    assert dialogue.exhausted


@pytest.mark.semantics("S2.21")
def test_the_selector_is_shown_the_last_messages_only_where_that_is_wished() -> None:
    history = [ChatMessage(name="user", content=str(number)) for number in range(5)]
    shown = Dialogue(MEMBERS, history, ["ann", "bob"], SelectorOptions(last=2)).messages[1:-1]
    assert [message.text for message in shown] == ["3", "4"]


@pytest.mark.semantics("S2.21")
async def test_a_chat_is_led_by_templates_of_ones_own(join: Join, held: Open) -> None:
    asked = await gateway(join, "bob")
    for name in ("ann", "bob", "eva"):
        Speaker(await join(name))
    own = SelectorOptions(prompt="Who of {names}?", role="user", retries=0)
    chosen = options("ann", "bob", "eva", selection="auto", selector=own, selector_model="default", max_rounds=2)
    await held(chosen)
    _, events = await hold(await join("console-1"))
    assert [name for name, _ in said(events)] == ["user", "bob"]
    assert (asked[0].messages[-1].role, asked[0].messages[-1].text) == ("user", "Who of ann, bob, eva?")
