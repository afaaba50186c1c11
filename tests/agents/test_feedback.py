"""ConversableAgent and its person: when one is asked, and what the words of the answer do."""

import pytest

from rostra.agents import AssistantAgent, Context, ConversableAgent, UserProxyAgent
from rostra.agents.feedback import HumanInputMode
from rostra.protocol import ToolCall

from .doubles import Person, add, said, turn

ASKED, NOT = True, False
STOP = None
ROWS: list[tuple[HumanInputMode, str, int, str | None, bool, str | None]] = [
    # mode, message, limit, the person's answer, asked?, the reply
    ("ALWAYS", "hi", 100, "", ASKED, "auto"),
    ("ALWAYS", "hi", 100, "text", ASKED, "text"),
    ("ALWAYS", "hi", 100, "exit", ASKED, STOP),
    ("ALWAYS", "hi", 100, "EXIT", ASKED, "EXIT"),
    ("ALWAYS", "TERMINATE", 100, "", ASKED, STOP),
    ("ALWAYS", "TERMINATE", 100, "go on", ASKED, "go on"),
    ("ALWAYS", "hi", 0, "", ASKED, ""),
    ("TERMINATE", "hi", 100, None, NOT, "auto"),
    ("TERMINATE", "TERMINATE", 100, "", ASKED, STOP),
    ("TERMINATE", "TERMINATE", 100, "go on", ASKED, "go on"),
    ("TERMINATE", "TERMINATE", 100, "exit", ASKED, STOP),
    ("TERMINATE", "hi", 1, "", ASKED, "auto"),
    ("TERMINATE", "hi", 1, "text", ASKED, "text"),
    ("TERMINATE", "hi", 1, "exit", ASKED, STOP),
    ("TERMINATE", "hi", 0, "", ASKED, ""),
    ("NEVER", "hi", 100, None, NOT, "auto"),
    ("NEVER", "hi", 1, None, NOT, STOP),
    ("NEVER", "hi", 0, None, NOT, STOP),
    ("NEVER", "TERMINATE", 100, None, NOT, STOP),
    ("NEVER", "TERMINATE ", 100, None, NOT, "auto"),
    ("NEVER", "please TERMINATE", 100, None, NOT, "auto"),
]


@pytest.mark.parametrize(("mode", "message", "limit", "answer", "asked", "reply"), ROWS)
@pytest.mark.semantics("S1.2", "S1.4", "S1.5", "S1.6", "S4.1")
async def test_a_person_is_asked_and_obeyed_as_the_table_says(
    mode: HumanInputMode, message: str, limit: int, answer: str | None, asked: bool, reply: str | None
) -> None:
    person = Person(*([] if answer is None else [answer]))
    agent = ConversableAgent("ann", human_input_mode=mode, max_consecutive_auto_reply=limit, default_auto_reply="auto")
    history = [said("bob", "task", 1), said("ann", "earlier", 2, role="assistant"), said("bob", message, 3)]
    got = await turn(agent, *history, human=person)
    assert len(person.asked) == asked
    assert (None if got is None else got.text) == reply


@pytest.mark.semantics("S1.3")
async def test_text_of_a_person_begins_the_count_anew() -> None:
    agent = ConversableAgent("ann", human_input_mode="NEVER", max_consecutive_auto_reply=2, default_auto_reply="auto")
    own = said("ann", "auto", 2, role="assistant")
    by_person = said("ann", "text", 4, role="assistant", metadata={"person": "pat"})
    last = said("bob", "and?", 9)
    assert await turn(agent, said("bob", "task", 1), own, own, last) is None
    assert await turn(agent, said("bob", "task", 1), own, own, by_person, last) is not None
    assert await turn(agent, said("bob", "task", 1), own, own, by_person, own, own, last) is None


async def test_the_opening_message_is_no_automatic_reply() -> None:
    agent = ConversableAgent("ann", human_input_mode="NEVER", max_consecutive_auto_reply=1, default_auto_reply="auto")
    assert await turn(agent, said("ann", "task", 1, role="assistant"), said("bob", "hi", 2)) is not None


async def test_why_there_is_no_answer_is_told() -> None:
    agent = ConversableAgent("ann", human_input_mode="NEVER")
    context = Context(agent="ann", history=[said("bob", "TERMINATE")])
    assert await agent.respond(context.history[-1], context) is None
    assert context.reason == "ann received a termination message"


@pytest.mark.semantics("S1.7")
async def test_a_person_who_speaks_over_tool_calls_interrupts_them() -> None:
    agent = UserProxyAgent("ann", executes=[add])
    calls = (ToolCall(id="1", name="add", arguments='{"a":1,"b":2}'), ToolCall(id="2", name="add"))
    answer = await turn(agent, said("bob", "", tool_calls=calls), human=Person("wait"))
    assert answer is not None
    assert (answer.text, answer.role) == ("wait", "assistant")
    assert [(each.id, each.content) for each in answer.tool_responses] == [("1", "USER INTERRUPTED"), ("2", "USER INTERRUPTED")]


async def test_the_question_names_the_chat_and_who_asks() -> None:
    person = Person("ok")
    await turn(UserProxyAgent("ann"), said("bob", "hi"), human=person)
    assert (person.asked[0].chat, person.asked[0].agent) == ("c1", "ann")
    assert "bob" in person.asked[0].text


@pytest.mark.semantics("S1.2")
async def test_a_termination_test_of_ones_own_is_used() -> None:
    agent = ConversableAgent("ann", human_input_mode="NEVER", is_termination_msg=lambda message: "bye" in message.text)
    assert await turn(agent, said("bob", "well, bye")) is None


@pytest.mark.semantics("S1.1", "S1.3")
def test_defaults_are_autogens() -> None:
    agent = ConversableAgent("ann")
    assert agent.system_message == agent.description == "You are a helpful AI Assistant."
    assert (agent.human_input_mode, agent.max_consecutive_auto_reply) == ("TERMINATE", 100)
    assert (agent.code, agent.model, agent.default_auto_reply) == (None, None, "")
    assert AssistantAgent("bob").human_input_mode == "NEVER"
    assert AssistantAgent("bob").system_message.endswith("TERMINATE.")
    assert (UserProxyAgent("pat").human_input_mode, UserProxyAgent("pat").code) == ("ALWAYS", None)
