"""Handoffs: a model gives the floor to a member by a tool call. And passes: an agent leaves it to the others."""

import pytest

from rostra.agents import AssistantAgent, Context, Handoff, Pass, ScriptedModel, agent
from rostra.protocol import ChatMessage
from rostra.protocol.completion import CompletionRequest
from rostra.team import Team


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def calling(*names: str, text: str = "") -> dict[str, object]:
    return {"text": text, "tool_calls": [{"name": name, "arguments": {}} for name in names]}


async def reply(agent: AssistantAgent) -> ChatMessage:
    message = ChatMessage(name="user", content="hello")
    answer = await agent.respond(message, Context(agent=agent.name, history=[message]))
    assert isinstance(answer, ChatMessage)
    return answer


@pytest.mark.semantics("S3.6")
async def test_a_call_of_a_handoff_is_a_message_that_hands_over() -> None:
    ann = AssistantAgent("ann", model=ScriptedModel([calling("transfer_to_bob")]), handoffs=["bob"])
    answer = await reply(ann)
    assert (answer.content, answer.metadata) == ("Transferred to bob, who takes over from here.", {"handoff": "bob"})
    assert answer.tool_calls == ()


async def test_what_the_model_says_beside_a_handoff_is_said() -> None:
    ann = AssistantAgent("ann", model=ScriptedModel([calling("transfer_to_bob", text="Bob knows.")]), handoffs=["bob"])
    assert (await reply(ann)).content == "Bob knows."


async def test_of_several_handoffs_the_first_counts_and_tools_beside_it_are_run() -> None:
    script = {
        "text": "",
        "tool_calls": [
            {"name": "add", "arguments": {"a": 1, "b": 2}},
            {"name": "to_cid", "arguments": {}},
            {"name": "transfer_to_bob", "arguments": {}},
        ],
    }
    cid = Handoff(target="cid", name="to_cid", message="Over to you.", description="For cid.")
    ann = AssistantAgent("ann", model=ScriptedModel([script]), tools=[add], handoffs=["bob", cid])
    answer = await reply(ann)
    assert (answer.content, answer.metadata["handoff"]) == ("Over to you.", "cid")
    assert answer.metadata["tool_log"][0]["responses"][0]["content"] == "3"


async def test_the_model_is_told_of_its_handoffs() -> None:
    told: list[str] = []

    class Listening(ScriptedModel):
        async def complete(self, request: CompletionRequest, on_delta=None):  # type: ignore[no-untyped-def]
            told.extend(f"{tool.name}: {tool.description}" for tool in request.tools)
            return await super().complete(request, on_delta)

    await reply(
        AssistantAgent("ann", model=Listening(["x"]), handoffs=["red-team", Handoff(target="bob", description="Does it.")])
    )
    assert told == ["transfer_to_red_team: Hand over to red-team, who speaks next.", "transfer_to_bob: Does it."]


def test_two_handoffs_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        AssistantAgent("ann", handoffs=["bob", "bob"])


@pytest.mark.semantics("S3.6")
async def test_members_hand_over_to_each_other_until_the_person_is_meant() -> None:
    script = {
        "desk": [calling("transfer_to_flights"), "Your money is on its way.", calling("transfer_to_user")],
        "flights": ["Which flight?", calling("transfer_to_desk")],
    }
    model = ScriptedModel(script)
    desk = AssistantAgent("desk", model=model, handoffs=["flights", "user"])
    flights = AssistantAgent("flights", model=model, handoffs=["desk"])
    async with Team.local([desk, flights], selection="handoff", stop='handoff("user")', max_rounds=10) as team:
        result = await team.run("I want to cancel my flight.")
    assert [said.name for said in result.messages] == ["user", "desk", "flights", "flights", "desk", "desk"]
    assert result.stop_reason == "desk hands over to user"


@pytest.mark.semantics("S3.8")
async def test_an_agent_that_answers_pass_leaves_the_word_to_the_others() -> None:
    @agent
    async def shy(message: ChatMessage) -> Pass:
        return Pass()

    @agent
    async def bold(message: ChatMessage, context: Context) -> str | Pass:
        return "I begin." if len(context.history) == 1 else Pass()

    async with Team.local([shy, bold], selection="round_robin") as team:
        result = await team.run("Who begins?")
    assert [(said.name, said.text) for said in result.messages] == [("user", "Who begins?"), ("bold", "I begin.")]
    assert (result.outcome, result.stop_reason) == ("ended", "everybody passed")
