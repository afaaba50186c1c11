"""What tests of agents share."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any, Protocol, TypeVar

import pytest

from rostra.agents.code import CodeExecution, CodeRunner

Kept = TypeVar("Kept", bound="Closable")
Keep = Callable[[Any], Any]


class Closable(Protocol):
    """What holds a file open."""

    def close(self) -> None: ...


@pytest.fixture
def kept() -> Iterator[Keep]:
    """Gives back what it is given, and closes it when the test ends; ask for it before the clients that use it."""
    with ExitStack() as stack:

        def keep(closable: Kept) -> Kept:
            return stack.enter_context(closing(closable))

        yield keep


@pytest.fixture
async def runner() -> AsyncIterator[CodeRunner]:
    """Runs code in the sandbox."""
    one = CodeRunner(CodeExecution(seconds=20))
    yield one
    one.close()
