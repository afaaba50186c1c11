"""Several chats: one after the other, as a graph, and nested in a reply."""

import asyncio
from typing import Any

import pytest

from rostra.agents import ConversableAgent, Conversation, initiate_chats

from .doubles import assistant, person, requests


@pytest.mark.semantics("S1.19")
async def test_each_chat_of_a_queue_carries_its_own_carryover_and_the_summaries_of_those_before() -> None:
    user, ann, bob, eve = person(), assistant("ann", "facts"), assistant("bob", "draft"), assistant("eve", "final")
    results = await user.initiate_chats(
        [
            {"recipient": ann, "message": "find", "max_turns": 1},
            {"recipient": bob, "message": "write", "max_turns": 1, "carryover": "be brief"},
            {"recipient": eve, "message": "polish", "max_turns": 1, "finished_chat_indexes_to_exclude_from_carryover": [0]},
        ]
    )
    assert [result.chat_history[0].text for result in results] == [
        "find",
        "write\nContext: \nbe brief\nfacts",
        "polish\nContext: \ndraft",
    ]
    assert [result.summary for result in results] == ["facts", "draft", "final"]


@pytest.mark.semantics("S1.19")
async def test_chats_of_a_queue_may_have_different_senders() -> None:
    user, ann, bob = person(), person("ann"), assistant("bob", "one", "two")
    results = await initiate_chats([{"sender": user, "recipient": bob, "message": "a", "max_turns": 1}, {
        "sender": ann, "recipient": bob, "message": "b", "max_turns": 1}])  # fmt: skip
    assert [result.chat_history[0].name for result in results] == ["user", "ann"]
    with pytest.raises(ValueError, match="chat 0 of the queue has no sender"):
        await initiate_chats([{"recipient": bob, "message": "a"}])
    with pytest.raises(ValueError, match="chat 1 of the queue has no recipient"):
        await user.initiate_chats([{"recipient": bob, "message": "never"}, {"message": "a"}])
    assert len(bob.chat_messages[user]) == 2


def meeting(name: str, barrier: asyncio.Barrier) -> ConversableAgent:
    """Answers only when all that are awaited at the barrier are working."""
    agent = ConversableAgent(name, human_input_mode="NEVER", silent=True)

    async def meet(agent: ConversableAgent, conversation: Conversation) -> tuple[bool, str]:
        await asyncio.wait_for(barrier.wait(), 20)
        return True, f"{name} done"

    agent.register_reply(lambda sender: True, meet)
    return agent


@pytest.mark.semantics("S1.20")
async def test_independent_chats_of_a_graph_run_at_once_and_dependent_ones_carry_their_summaries() -> None:
    both = asyncio.Barrier(2)
    user, ann, bob, eve = person(), meeting("ann", both), meeting("bob", both), assistant("eve", "end")
    results = await user.initiate_chats(
        [
            {"chat_id": "join", "prerequisites": ["b", "a"], "recipient": eve, "message": "join", "max_turns": 1},
            {"chat_id": "a", "recipient": ann, "message": "one", "max_turns": 1},
            {"chat_id": "b", "recipient": bob, "message": "two", "max_turns": 1},
        ]
    )
    assert [result.chat_id for result in results] == ["join", "a", "b"]
    assert results[0].chat_history[0].text == "join\nContext: \nbob done\nann done"


@pytest.mark.semantics("S1.20")
async def test_chats_of_one_pair_in_a_graph_do_not_mix() -> None:
    user, ann = person(), assistant("ann", "one")
    results = await user.initiate_chats(
        [{"chat_id": number, "recipient": ann, "message": f"m{number}", "max_turns": 1} for number in range(3)]
    )
    assert [[said.text for said in result.chat_history] for result in results] == [[f"m{n}", "one"] for n in range(3)]


@pytest.mark.semantics("S1.20")
@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ([{"chat_id": 1}, {"chat_id": 1}], "two chats with the id 1"),
        ([{"chat_id": 1, "prerequisites": [2]}], "chat 1 needs 2"),
        ([{"chat_id": 1, "prerequisites": [2]}, {"chat_id": 2, "prerequisites": [1]}], "1, 2 wait for each other"),
        ([{"chat_id": 1}, {}], "chat 1 of the queue has no chat_id"),
    ],
)
async def test_a_graph_that_makes_no_sense_begins_no_chat(tables: list[dict[str, Any]], reason: str) -> None:
    user, ann = person(), assistant("ann", "one")
    with pytest.raises(ValueError, match=reason):
        await user.initiate_chats([{**table, "recipient": ann, "message": "hi", "max_turns": 1} for table in tables])
    assert requests(ann) == []


@pytest.mark.semantics("S1.20")
async def test_a_chat_that_fails_ends_the_graph_with_its_own_error() -> None:
    user, ann = person(), assistant("ann", {"error": "no words"})
    waits = meeting("bob", asyncio.Barrier(2))
    chats = [
        {"chat_id": "a", "recipient": ann, "message": "hi", "max_turns": 1},
        {"chat_id": "b", "recipient": waits, "message": "hi", "max_turns": 1},
        {"chat_id": "c", "prerequisites": ["a"], "recipient": waits, "message": "hi", "max_turns": 1},
    ]
    with pytest.raises(Exception, match="no words"):
        await asyncio.wait_for(user.initiate_chats(chats), 20)


@pytest.mark.semantics("S1.21")
async def test_a_nested_chat_makes_the_reply_and_its_first_chat_takes_the_message() -> None:
    user, writer = person(), assistant("writer", "never said")
    critic, judge, unheard = assistant("critic", "weak"), assistant("judge", "rewritten"), assistant("unheard", "x")
    writer.register_nested_chats(
        [
            {"recipient": critic, "max_turns": 1},
            {"recipient": unheard, "max_turns": 1},
            {"recipient": judge, "message": "rewrite it", "max_turns": 1},
        ],
        trigger=user,
    )
    result = await user.initiate_chat(writer, message="a poem", max_turns=1)
    assert [said.text for said in result.chat_history] == ["a poem", "rewritten"]
    assert [said.text for said in requests(critic)[0].messages] == ["sys", "a poem"]
    assert requests(judge)[0].messages[-1].text == "rewrite it\nContext: \nweak"
    assert (requests(unheard), requests(writer), len(result.usage)) == ([], [], 2)


@pytest.mark.semantics("S1.21")
async def test_the_message_of_a_nested_chat_may_be_made_of_the_conversation() -> None:
    user, writer, critic = person(), assistant("writer"), assistant("critic", "ok")

    def message(agent: Any, messages: Any, sender: Any, context: Any) -> str:
        return f"{agent.name} was told {messages[-1].text!r} by {sender.name}"

    writer.register_nested_chats([{"recipient": critic, "message": message, "max_turns": 1}], trigger="user")
    await user.initiate_chat(writer, message="hi", max_turns=1)
    assert requests(critic)[0].messages[-1].text == "writer was told 'hi' by user"


@pytest.mark.semantics("S1.21")
async def test_without_a_chat_to_hold_a_nested_chat_gives_no_reply() -> None:
    user, writer = person(), assistant("writer", "never")
    writer.register_nested_chats([{"recipient": assistant("critic"), "message": lambda *_: ""}], trigger=user)
    result = await user.initiate_chat(writer, message="hi", max_turns=1)
    assert [said.text for said in result.chat_history] == ["hi"]


@pytest.mark.semantics("S1.16", "S1.17")
async def test_a_function_that_makes_the_opening_gets_the_carryover_and_decides_what_becomes_of_it() -> None:
    user, ann = person(), assistant("ann", "ok")

    def opening(sender: Any, recipient: Any, context: dict[str, Any]) -> str:
        return f"about {context['carryover']}"

    result = await user.initiate_chat(ann, message=opening, carryover="tides", max_turns=1)
    assert result.chat_history[0].text == "about tides"


@pytest.mark.semantics("S4.10")
async def test_a_chat_of_two_says_why_it_ended() -> None:
    user, ann = person(), assistant("ann", "one", "TERMINATE")
    assert (await user.initiate_chat(ann, message="hi", max_turns=1)).stop_reason == "max_turns: 1 round trips"
    ann = assistant("ann", "TERMINATE")
    assert (await user.initiate_chat(ann, message="hi")).stop_reason == "user received a termination message"
