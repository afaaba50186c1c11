"""Two agents in one process: how long they talk, what opens it, and what is left of it."""

import asyncio
from typing import Any

import pytest

from rostra.agents import AssistantAgent, ConversableAgent, Conversation, ScriptedModel, UserProxyAgent
from rostra.agents.carryover import with_carryover
from rostra.protocol import ChatMessage

from .doubles import Person, Watched, add, call, said, turn


def pair(*replies: str, **options: Any) -> tuple[UserProxyAgent, AssistantAgent]:
    user = UserProxyAgent("user", human_input_mode="NEVER", default_auto_reply="go on", silent=True, **options)
    return user, AssistantAgent("ann", model=Watched(*replies), silent=True)


@pytest.mark.semantics("S1.13", "S1.15")
async def test_two_agents_talk_until_one_terminates() -> None:
    user, ann = pair("one", "two", "TERMINATE")
    result = await user.initiate_chat(ann, message="begin")
    assert [each.text for each in result.chat_history] == ["begin", "one", "go on", "two", "go on", "TERMINATE"]
    assert [each.role for each in user.chat_messages[ann]] == ["assistant", "user"] * 3
    assert [each.role for each in ann.chat_messages[user]] == ["user", "assistant"] * 3
    assert (result.summary, len(result.usage), result.cost) == ("", 3, 0.0)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.semantics("S1.15")
async def test_max_turns_counts_round_trips(turns: int) -> None:
    user, ann = pair(*"abcdef")
    result = await user.initiate_chat(ann, message="begin", max_turns=turns)
    assert len(result.chat_history) == 2 * turns
    assert result.summary == "abc"[turns - 1]


async def test_a_long_talk_needs_no_deep_stack() -> None:
    user, ann = pair()
    user.max_consecutive_auto_reply = ann.max_consecutive_auto_reply = 5000
    ann.register_reply("user", lambda agent, conversation: (True, "word" if len(conversation.messages) < 1500 else "TERMINATE"))
    result = await user.initiate_chat(ann, message="begin")
    assert len(result.chat_history) == 1502


@pytest.mark.semantics("S1.3")
async def test_history_is_cleared_or_kept_and_counters_begin_anew() -> None:
    user, ann = pair("one", "TERMINATE", "TERMINATE")
    user.max_consecutive_auto_reply = 1
    await user.initiate_chat(ann, message="begin")
    result = await user.initiate_chat(ann, message="again", clear_history=False)
    assert [each.text for each in result.chat_history] == ["begin", "one", "go on", "TERMINATE", "again", "TERMINATE"]
    ann.model = Watched("TERMINATE")
    assert len((await user.initiate_chat(ann, message="anew")).chat_history) == 2


@pytest.mark.semantics("S1.16")
async def test_an_opening_may_be_asked_of_a_person_or_made_by_a_function() -> None:
    user, ann = pair("TERMINATE", "TERMINATE", human=Person("from pat"))
    result = await user.initiate_chat(ann)
    assert (result.chat_history[0].text, result.human_input) == ("from pat", ("from pat",))

    def opening(sender: ConversableAgent, recipient: ConversableAgent, context: dict[str, Any]) -> str:
        return f"{sender.name} to {recipient.name} about {context['topic']}"

    result = await user.initiate_chat(ann, message=opening, topic="brokers")
    assert result.chat_history[0].text == "user to ann about brokers"


@pytest.mark.semantics("S1.18")
async def test_summaries_are_the_last_message_a_reflection_or_a_function() -> None:
    user, ann = pair("the answer is 3 TERMINATE", "gist")
    result = await user.initiate_chat(ann, message="begin", max_turns=1)
    assert result.summary == "the answer is 3"
    ann.model = Watched("yes", "the gist")
    result = await user.initiate_chat(ann, message="begin", max_turns=1, summary_method="reflection_with_llm")
    assert (result.summary, len(result.usage)) == ("the gist", 2)
    ann.model = Watched("yes")
    result = await user.initiate_chat(ann, message="begin", max_turns=1, summary_method=lambda *given: given[1].name)
    assert result.summary == "ann"
    ann.model = Watched("yes")
    result = await user.initiate_chat(ann, message="begin", max_turns=1, summary_method=None)
    assert result.summary == ""


@pytest.mark.semantics("S1.22")
async def test_tools_are_offered_by_one_and_run_by_the_other() -> None:
    user = UserProxyAgent("user", human_input_mode="NEVER", silent=True)
    ann = AssistantAgent("ann", model=ScriptedModel([call("add", '{"a": 20, "b": 22}'), "42", "TERMINATE"]), silent=True)
    ann.register_for_llm(add)
    user.register_for_execution(add)
    result = await user.initiate_chat(ann, message="20 + 22?")
    assert [(each.name, each.text) for each in result.chat_history[:4]] == [
        ("user", "20 + 22?"),
        ("ann", ""),
        ("user", "42"),
        ("ann", "42"),
    ]


@pytest.mark.semantics("S1.12")
async def test_a_message_without_content_and_calls_is_refused_and_not_kept() -> None:
    user, ann = pair()
    for bad in ({"role": "user"}, ChatMessage(content=None)):
        with pytest.raises(ValueError, match="needs content or tool calls"):
            await user.send(bad, ann)
    assert (user.last_message(ann), ann.last_message(user)) == (None, None)


@pytest.mark.semantics("S1.14")
async def test_a_message_is_answered_only_where_that_is_wanted() -> None:
    user, ann = pair("one", "two")
    await user.send("quiet", ann)
    assert len(ann.dialogue(user).messages) == 1
    await user.send("answer", ann, request_reply=True)
    assert [each.text for each in user.dialogue(ann).messages] == ["quiet", "answer", "one"]


@pytest.mark.parametrize(
    ("carryover", "content", "expected"),
    [
        ("", "task", "task"),
        ("before", "task", "task\nContext: \nbefore"),
        (["a", {"content": "b"}, "c"], "task", "task\nContext: \na\nb\nc"),
        ("before", [{"type": "image"}], [{"type": "text", "text": "Context: \nbefore"}, {"type": "image"}]),
    ],
)
@pytest.mark.semantics("S1.17")
def test_carryover_is_added_to_the_opening(carryover: Any, content: Any, expected: Any) -> None:
    assert with_carryover(content, carryover) == expected


@pytest.mark.semantics("S1.17")
def test_any_other_carryover_is_an_error() -> None:
    with pytest.raises(ValueError, match="a carryover is text or a list, not int"):
        with_carryover("task", 3)


async def test_a_talk_is_shown_unless_it_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    user, ann = pair("TERMINATE", "TERMINATE")
    user.silent = ann.silent = None
    await user.initiate_chat(ann, message="shown")
    assert "user (to ann):\n\nshown" in capsys.readouterr().out
    ann.model = Watched("TERMINATE")
    await user.initiate_chat(ann, message="hidden", silent=True)
    assert capsys.readouterr().out == ""


async def test_several_turns_of_one_agent_at_once_do_not_mix() -> None:
    agent = ConversableAgent("ann", human_input_mode="NEVER")
    both = asyncio.Barrier(2)

    async def meet(agent: ConversableAgent, conversation: Conversation) -> tuple[bool, str]:
        await asyncio.wait_for(both.wait(), 20)
        return True, conversation.message.text

    agent.register_reply(lambda sender: True, meet)
    answers = await asyncio.gather(turn(agent, said("bob", "one")), turn(agent, said("eve", "two")))
    assert [each.text for each in answers if each] == ["one", "two"]
