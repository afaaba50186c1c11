"""What tests of agents share: a model that is watched."""

from collections.abc import Callable
from typing import Any

from rostra.agents import AssistantAgent, ScriptedModel, UserProxyAgent
from rostra.protocol.completion import Completion, CompletionRequest


class Watched:
    """A scripted model that keeps what it was asked."""

    def __init__(self, *replies: Any) -> None:
        self._model = ScriptedModel(list(replies))
        self.requests: list[CompletionRequest] = []

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        self.requests.append(request)
        return await self._model.complete(request, on_delta)


def assistant(name: str, *replies: Any, **options: Any) -> AssistantAgent:
    """An assistant that says `replies`, quietly."""
    return AssistantAgent(name, options.pop("system_message", "sys"), model=Watched(*replies), silent=True, **options)


def person(name: str = "user", **options: Any) -> UserProxyAgent:
    """A proxy for nobody, quietly."""
    return UserProxyAgent(name, **{"human_input_mode": "NEVER", "silent": True, **options})


def requests(agent: AssistantAgent) -> list[CompletionRequest]:
    """What the model of an `assistant` was asked."""
    assert isinstance(agent.model, Watched)
    return agent.model.requests
