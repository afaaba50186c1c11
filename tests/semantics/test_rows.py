"""Rows of docs/autogen-semantics.md that no other test is about."""

import pytest

from rostra.agents import AssistantAgent, Context, ConversableAgent, ScriptedModel, UserProxyAgent
from rostra.groupchat import BadOptions, GroupChat
from rostra.protocol import Answer, ChatMessage, Question, ToolCall
from rostra.team import Team


class Person:
    """Says one thing, always."""

    def __init__(self, text: str) -> None:
        self.text = text

    async def ask(self, question: Question) -> Answer:
        return Answer(text=self.text, by="pat")


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


async def reply(agent: ConversableAgent, message: ChatMessage, says: str = "") -> str:
    answer = await agent.respond(message, Context(agent=agent.name, history=[message], human=Person(says)))
    assert isinstance(answer, ChatMessage)
    return answer.text


@pytest.mark.semantics("S1.9")
async def test_a_person_goes_before_tools_tools_before_code_code_before_the_model_and_the_model_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rostra.agents.code import CodeExecution, CodeRunner

    async def run(self: CodeRunner, *_: object) -> tuple[int, str]:
        return 0, "ran"

    monkeypatch.setattr(CodeRunner, "run", run)
    everything = ConversableAgent(
        "ann",
        human_input_mode="ALWAYS",
        model=ScriptedModel(["from the model"]),
        executes=[add],
        code_execution_config=CodeExecution(),
        default_auto_reply="default",
    )
    code = ChatMessage(name="bob", content="```sh\nls\n```")
    both = ChatMessage(name="bob", content=code.content, tool_calls=(ToolCall(id="1", name="add", arguments='{"a":1,"b":2}'),))
    assert await reply(everything, both, "from pat") == "from pat"
    assert await reply(everything, both) == "3"
    assert await reply(everything, code) == "exitcode: 0 (execution succeeded)\nCode output: ran"
    assert await reply(everything, ChatMessage(name="bob", content="hi")) == "from the model"
    everything.model = None
    assert await reply(everything, ChatMessage(name="bob", content="hi")) == "default"


@pytest.mark.semantics("S4.9")
def test_two_members_of_one_name_are_refused() -> None:
    with pytest.raises(BadOptions, match="ann"):
        GroupChat(["ann", "bob", "ann"])


def members(*names: str) -> list[AssistantAgent]:
    model = ScriptedModel({name: [f"{name} {number}" for number in range(9)] for name in names})
    return [AssistantAgent(name, "sys", model=model) for name in names]


@pytest.mark.semantics("S4.2")
async def test_a_method_is_meant_in_any_case_also_by_a_function() -> None:
    async with Team.local(members("ann", "bob"), selection="Round_Robin", max_rounds=3) as team:
        assert [said.name for said in (await team.run("go")).messages] == ["user", "ann", "bob"]
    async with Team.local(members("ann", "bob"), selection=lambda *_: "Round_Robin", max_rounds=3) as team:
        assert [said.name for said in (await team.run("go")).messages] == ["user", "ann", "bob"]


@pytest.mark.semantics("S2.17")
async def test_introductions_are_told_to_the_model_and_are_not_in_the_transcript() -> None:
    asked: list[str] = []

    class Listening(ScriptedModel):
        async def complete(self, request, on_delta=None):  # type: ignore[no-untyped-def]
            asked.append(request.messages[0].text)
            return await super().complete(request, on_delta)

    model = Listening(["one", "two"])
    both = [AssistantAgent(name, f"I am {name}", description=f"{name} helps", model=model) for name in ("ann", "bob")]
    async with Team.local(both, selection="round_robin", max_rounds=3, introductions=True) as team:
        result = await team.run("go")
    assert all("bob" in system and "ann" in system for system in asked)
    assert [said.text for said in result.messages] == ["go", "one", "one"]


@pytest.mark.semantics("S4.12", "S4.6")
async def test_after_a_run_that_failed_the_same_team_runs_again() -> None:
    failing = AssistantAgent("ann", model=ScriptedModel([{"error": "no words"}, "words"]))
    quiet = UserProxyAgent("bob", human_input_mode="NEVER", default_auto_reply="well")
    async with Team.local([failing, quiet], selection="round_robin", max_rounds=2, turn_retries=0) as team:
        runs = [await team.run("go", chat=chat) for chat in ("one", "two")]
    assert [[(said.name, said.text) for said in run.messages] for run in runs] == [
        [("user", "go"), ("bob", "well")],
        [("user", "go"), ("ann", "words")],
    ]
    assert all(run.outcome == "limit" for run in runs)
