"""ConversableAgent's reply chain: which registration answers whom, and hooks on what is seen and said."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from rostra.agents import AssistantAgent, ConversableAgent, Conversation, UserProxyAgent
from rostra.agents.reply_chain import fires

from .doubles import Watched, said, turn


@pytest.mark.semantics("S1.8")
async def test_later_registrations_are_tried_first_and_the_first_final_one_wins() -> None:
    tried: list[str] = []
    agent = ConversableAgent("ann", human_input_mode="NEVER")

    def reply(name: str, final: bool) -> Callable[..., Any]:
        def function(agent: ConversableAgent, conversation: Conversation) -> tuple[bool, str | None]:
            tried.append(name)
            return final, name if final else None

        return function

    for name, final in (("first", True), ("second", True), ("third", False)):
        agent.register_reply(lambda sender: True, reply(name, final))
    answer = await turn(agent, said("bob", "hi"))
    assert answer is not None
    assert (answer.text, tried) == ("second", ["third", "second"])


@pytest.mark.semantics("S1.10")
async def test_a_final_none_is_no_reply() -> None:
    agent = ConversableAgent("ann", human_input_mode="NEVER", default_auto_reply="auto")
    agent.register_reply("bob", lambda agent, conversation: (True, None))
    assert await turn(agent, said("bob", "hi")) is None
    assert await turn(agent, said("eve", "hi")) is not None


@pytest.mark.semantics("S1.8")
async def test_the_others_can_be_removed() -> None:
    agent = ConversableAgent("ann", human_input_mode="ALWAYS", default_auto_reply="auto")
    agent.register_reply("nobody", lambda agent, conversation: (True, "x"), remove_other_reply_funcs=True)
    answer = await turn(agent, said("bob", "hi"))
    assert answer is not None
    assert answer.text == "auto"


@pytest.mark.semantics("S1.11")
def test_triggers_are_classes_names_agents_predicates_none_and_lists() -> None:
    bob, eve = AssistantAgent("bob"), UserProxyAgent("eve")
    assert fires(AssistantAgent, bob)
    assert not fires(AssistantAgent, eve)
    assert not fires(AssistantAgent, "bob")
    assert fires("bob", bob)
    assert fires("bob", "bob")
    assert fires(bob, bob)
    assert not fires(bob, eve)
    assert fires(None, "")
    assert not fires(None, "bob")
    assert fires([eve, "bob"], "bob")
    assert fires(lambda sender: sender == "bob", "bob")
    with pytest.raises(ValueError, match="no trigger"):
        ConversableAgent("ann").register_reply(3, lambda agent, conversation: (False, None))


@pytest.mark.semantics("S1.27")
async def test_hooks_change_what_is_seen_and_said_and_not_the_history() -> None:
    model = Watched("answer")
    agent = AssistantAgent("ann", "sys", model=model)
    agent.register_hook("process_all_messages_before_reply", lambda messages: messages[-1:])
    agent.register_hook("process_last_received_message", lambda text: text + "?")
    agent.register_hook(
        "process_message_before_send", lambda message: msgspec.structs.replace(message, content=message.text.upper())
    )
    history = (said("bob", "one"), said("bob", "two"))
    answer = await turn(agent, *history)
    assert answer is not None
    assert answer.text == "ANSWER"
    assert [each.text for each in model.requests[0].messages] == ["sys", "two?"]
    assert [each.text for each in history] == ["one", "two"]
