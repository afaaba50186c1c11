"""The gateway and the model that asks it, over both transports."""

from collections.abc import Awaitable, Callable

from rostra.agents.gateway import Gateway
from rostra.agents.models import GatewayModel, ScriptedModel
from rostra.protocol import ChatMessage, Client
from rostra.protocol.completion import CompletionRequest

Join = Callable[..., Awaitable[Client]]


def asked(*contents: str, **fields: object) -> CompletionRequest:
    return CompletionRequest(messages=tuple(ChatMessage(content=content) for content in contents), **fields)  # type: ignore[arg-type]


async def test_an_agent_gets_its_completion_from_the_gateway(join: Join) -> None:
    Gateway(await join("models"), {"default": ScriptedModel({"planner": ["The plan."]})})
    pieces: list[str] = []

    model = GatewayModel(await join("planner"))
    completion = await model.complete(asked("Plan.", agent="planner"), pieces.append)

    assert completion.content == "The plan."
    assert "".join(pieces) == "The plan."
