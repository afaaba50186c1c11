"""What tests of group chats share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from rostra.groupchat import ChatOptions, Coordinator

from .team import Join, Open, coordinator


@pytest.fixture
async def held(join: Join, tmp_path: Path) -> AsyncIterator[Open]:
    """Makes coordinators on one database, `chats.db`; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(chosen: ChatOptions) -> Coordinator:
            made = await coordinator(join, tmp_path / "chats.db", chosen)
            stack.push_async_callback(made.aclose)
            return made

        yield make
