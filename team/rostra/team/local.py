"""A team in one process: the same coordinator, the same bytes, a broker in memory."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rostra.agents.actor import Actor, described
from rostra.agents.adapt import as_responder
from rostra.agents.gateway import Gateway
from rostra.agents.models.base import ModelClient
from rostra.agents.models.config import ModelConfig
from rostra.broker.memory import MemoryBroker
from rostra.groupchat.coordinator import Coordinator
from rostra.groupchat.groupchat import GroupChat
from rostra.groupchat.options import ChatOptions
from rostra.protocol import COORDINATOR, GATEWAY, Client, Member

DRAIN_SECONDS = 2.0


def options_of(agents: Iterable[Any], models: Mapping[str, object], **chat: Any) -> ChatOptions:
    """How a chat of these agents is held; raises `BadOptions`. Who may ask a person is read off the agents."""
    agents = list(agents)
    chat.setdefault("people", [one.name for one in agents if getattr(one, "human_input_mode", "NEVER") != "NEVER"])
    chat.setdefault("selector_model", next((name for name in ("selector", "default") if name in models), ""))
    return GroupChat(agents, **chat).options


@contextlib.asynccontextmanager
async def local(
    agents: Iterable[Any],
    options: ChatOptions,
    models: Mapping[str, ModelConfig | ModelClient],
    database: str | Path | None,
    base: str | Path,
) -> AsyncIterator[MemoryBroker]:
    """The broker of a team that runs in this process as long as the context is open."""
    broker = MemoryBroker()
    async with contextlib.AsyncExitStack() as stack:
        if database is None:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="rostra-"))
            database = Path(directory) / "transcript.db"
        if models:
            client = Client(broker.transport(), name=GATEWAY, info={"kind": "gateway"})
            gateway = Gateway(client, models, Path(base))
            await stack.enter_async_context(client)
            stack.push_async_callback(gateway.aclose)
        members = {member.name: member for member in options.members}
        for agent in agents:
            await _actor(stack, broker, agent, members[agent.name])
        client = Client(broker.transport(), name=COORDINATOR, info={"kind": "coordinator"})
        coordinator = Coordinator(client, options, Path(database))
        await stack.enter_async_context(client)
        stack.push_async_callback(coordinator.aclose)
        await coordinator.start()
        yield broker


async def _actor(stack: contextlib.AsyncExitStack, broker: MemoryBroker, agent: Any, member: Member) -> None:
    member = described(member, as_responder(agent))
    client = Client(broker.transport(), name=member.name, info=msgspec.to_builtins(member))
    actor = Actor(client, agent, member)
    await stack.enter_async_context(client)
    stack.push_async_callback(_drained, actor)


async def _drained(actor: Actor) -> None:
    async with asyncio.timeout(DRAIN_SECONDS + 2.0):
        await actor.drain(DRAIN_SECONDS)
