"""What tests of agents share: a model that is watched, a person, messages and a tool."""

from collections.abc import Callable
from typing import Any

from rostra.agents import AssistantAgent, Context, ConversableAgent, ScriptedModel, UserProxyAgent, tool
from rostra.protocol import Answer, ChatMessage, Question
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


class Person:
    """Answers from a list, and remembers what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), list[Question]()

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        return Answer(text=self.answers.pop(0), by="pat")


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
