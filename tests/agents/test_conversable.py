"""ConversableAgent: the reply chain, the person, tools and models, in a group chat and between two agents."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from rostra.agents import (
    AssistantAgent,
    Context,
    ConversableAgent,
    Conversation,
    ScriptedModel,
    UserProxyAgent,
    tool,
)
from rostra.agents.carryover import with_carryover
from rostra.agents.feedback import HumanInputMode
from rostra.agents.reply_chain import fires
from rostra.protocol import Answer, ChatMessage, Question, ToolCall, ToolResponse
from rostra.protocol.completion import Completion, CompletionRequest


class Person:
    """Answers from a list, and remembers what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), list[Question]()

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        return Answer(text=self.answers.pop(0), by="pat")


class Watched:
    """A model that keeps what it was asked."""

    def __init__(self, *replies: Any) -> None:
        self._model = ScriptedModel(list(replies))
        self.requests: list[CompletionRequest] = []

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        self.requests.append(request)
        return await self._model.complete(request, on_delta)


def said(name: str, text: str, sequence: int = 0, **fields: Any) -> ChatMessage:
    role = fields.pop("role", "user")
    return ChatMessage(name=name, content=text, sequence=sequence, role=role, **fields)


async def turn(agent: ConversableAgent, *history: ChatMessage, **known: Any) -> ChatMessage | None:
    context = Context(agent=agent.name, chat="c1", history=history, **known)
    answer = await agent.respond(history[-1], context)
    assert answer is None or isinstance(answer, ChatMessage)
    return answer


def call(name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


@tool(description="Adds.")
def add(a: int, b: int) -> int:
    return a + b


# ---- the person: each row of the table

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


# ---- the reply chain


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


# ---- models and tools


async def test_the_model_is_told_the_system_message_the_introduction_and_the_conversation() -> None:
    model = Watched("hello")
    agent = AssistantAgent("ann", "Be kind.", model=model, model_name="small", model_options={"temperature": 0})
    history = (said("user", "task", 1), said("bob", "yes", 2))
    context = Context(agent="ann", chat="c1", history=history, introduction="Here are ann and bob.")
    answer = await agent.respond(history[-1], context)
    assert isinstance(answer, ChatMessage)
    assert (answer.text, answer.name, answer.role, answer.metadata) == ("hello", "ann", "assistant", {})
    request = model.requests[0]
    assert [(each.role, each.name, each.text) for each in request.messages] == [
        ("system", "", "Be kind.\n\nHere are ann and bob."),
        ("user", "user", "task"),
        ("user", "bob", "yes"),
    ]
    assert (request.model, request.agent, request.chat, request.ordinal) == ("small", "ann", "c1", 0)
    assert request.options == {"temperature": 0}
    assert [each.model for each in context.usage] == ["scripted"]


async def test_an_assistant_without_a_model_says_so() -> None:
    with pytest.raises(RuntimeError, match="the assistant ann has no model"):
        await turn(AssistantAgent("ann"), said("bob", "hi"))


@pytest.mark.semantics("S1.29")
async def test_tools_are_run_and_the_model_is_asked_again_within_one_turn() -> None:
    model = Watched(call("add", '{"a": 1, "b": 2}'), call("nope"), "3")
    agent = AssistantAgent("ann", "sys", model=model, tools=[add])
    answer = await turn(agent, said("user", "1 + 2?", 1))
    assert answer is not None
    assert (answer.text, answer.tool_calls) == ("3", ())
    log = answer.metadata["tool_log"]
    assert [each["responses"][0]["content"] for each in log] == ["3", "Error: Function nope not found."]
    assert [each.name for each in model.requests[0].tools] == ["add"]
    assert [each.role for each in model.requests[2].messages] == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert [request.ordinal for request in model.requests] == [0, 1, 2]


async def test_the_next_turn_shows_the_model_its_calls_and_goes_on_in_the_script() -> None:
    model = Watched(call("add", '{"a": 1, "b": 2}'), "3", "bye")
    agent = AssistantAgent("ann", "sys", model=model, tools=[add])
    task = said("user", "1 + 2?", 1)
    first = await turn(agent, task)
    assert first is not None
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(first), type=ChatMessage)  # as over the wire
    second = await turn(agent, task, msgspec.structs.replace(kept, sequence=2), said("user", "thanks", 3))
    assert second is not None
    assert second.text == "bye"
    assert [each.role for each in model.requests[2].messages] == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_rounds_of_tool_calls_are_bounded_and_the_last_word_is_text() -> None:
    model = Watched(*[call("add", '{"a": 1, "b": 1}')] * 3, "enough")
    agent = AssistantAgent("ann", model=model, tools=[add], max_tool_rounds=3)
    answer = await turn(agent, said("user", "hi", 1))
    assert answer is not None
    assert answer.text == "enough"
    assert [len(request.tools) for request in model.requests] == [1, 1, 1, 0]


@pytest.mark.semantics("S1.22")
async def test_calls_of_tools_that_run_elsewhere_are_the_answer() -> None:
    model = Watched({"text": "let us see", **call("add", '{"a": 1, "b": 2}')}, "it is 3")
    asks = AssistantAgent("ann", "sys", model=model, offers=[add])
    runs = ConversableAgent("bob", human_input_mode="NEVER", executes=[add])
    assert (asks.functions, runs.functions) == ((), ("add",))
    task = said("user", "1 + 2?", 1)
    called = await turn(asks, task)
    assert called is not None
    assert [(each.name, each.arguments) for each in called.tool_calls] == [("add", '{"a": 1, "b": 2}')]
    seen_by_bob = msgspec.structs.replace(called, role="user", sequence=2)
    answered = await turn(runs, task, seen_by_bob)
    assert answered is not None
    assert (answered.role, answered.name, answered.text) == ("tool", "bob", "3")
    assert answered.tool_responses == (ToolResponse(id=called.tool_calls[0].id, name="add", content="3"),)
    final = await turn(asks, task, called, answered)
    assert final is not None
    assert final.text == "it is 3"
    assert [each.role for each in model.requests[1].messages] == ["system", "user", "assistant", "tool"]


async def test_calls_without_responses_are_told_as_text() -> None:
    model = Watched("ok")
    calls = (ToolCall(id="1", name="add", arguments="{}"),)
    response = said("bob", "3", role="tool", tool_responses=(ToolResponse(id="9", name="add", content="3"),))
    await turn(AssistantAgent("ann", "sys", model=model), said("eve", "", tool_calls=calls), said("bob", "no"), response)
    assert [(each.role, each.text, each.tool_calls) for each in model.requests[0].messages[1:]] == [
        ("user", "add({})", ()),
        ("user", "no", ()),
        ("user", "add answered: 3", ()),
    ]


@pytest.mark.semantics("S1.26")
async def test_code_goes_back_to_ones_own_last_message(monkeypatch: pytest.MonkeyPatch) -> None:
    from rostra.agents.code import CodeBlock, CodeExecution, CodeRunner

    ran: list[str] = []

    async def run(self: CodeRunner, blocks: Sequence[CodeBlock], chat: str = "", approval: object = None) -> tuple[int, str]:
        ran.extend(block.code for block in blocks)
        return len(ran) - 1, "out"

    monkeypatch.setattr(CodeRunner, "run", run)
    agent = UserProxyAgent("ann", human_input_mode="NEVER", code_execution_config=CodeExecution())
    code, chatter = said("bob", "```python\nprint(1)\n```"), said("eve", "nice ```unknown words here``` text")
    answer = await turn(agent, code, chatter)
    assert answer is not None
    assert answer.text == "exitcode: 0 (execution succeeded)\nCode output: out"
    answer = await turn(agent, code)
    assert answer is not None
    assert answer.text == "exitcode: 1 (execution failed)\nCode output: out"
    own = said("ann", "exitcode: 0", role="assistant")
    answer = await turn(agent, code, own, chatter)
    assert answer is not None
    assert (answer.text, len(ran)) == ("", 2)


# ---- two agents in one process


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
