"""The coordinator on a bus, in memory and over ZeroMQ, with members that come, fail and go."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from rostra.groupchat import ChatOptions, Coordinator

from .team import Join, Speaker, coordinator, hold, options, said

Open = Callable[[ChatOptions], Awaitable[Coordinator]]


@pytest.fixture
async def held(join: Join, tmp_path: Path) -> AsyncIterator[Open]:
    """Makes coordinators on one database; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(chosen: ChatOptions) -> Coordinator:
            made = await coordinator(join, tmp_path / "chats.db", chosen)
            stack.push_async_callback(made.aclose)
            return made

        yield make


async def test_members_speak_in_rotation_until_the_rounds_are_used_up(join: Join, held: Open) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    await held(options("a", "b", max_rounds=5))
    result, events = await hold(await join("console-1"))
    assert said(events) == [("user", "the task"), ("a", "a at 2"), ("b", "b at 3"), ("a", "a at 4"), ("b", "b at 5")]
    assert (result.outcome, result.messages, result.usage.tokens) == ("limit", 5, 60)
