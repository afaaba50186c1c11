"""AssistantAgent: what the model is told, its tools, and code that goes back to its author."""

from collections.abc import Sequence

import msgspec
import pytest

from rostra.agents import AssistantAgent, Context, ConversableAgent, UserProxyAgent
from rostra.protocol import ChatMessage, ToolCall, ToolResponse

from .doubles import Watched, add, call, said, turn


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
