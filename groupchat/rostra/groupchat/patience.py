"""How long a member's turn may take: the time in which a question of the member waits for a person does not count."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Patience:
    """The patience of one chat with its members."""

    def __init__(self) -> None:
        self._asking: Counter[str] = Counter()
        self._limits: dict[str, asyncio.Timeout] = {}
        """Of the members whose turn is open."""
        self._left: dict[str, float] = {}
        """Seconds that those have left who ask a person."""

    @asynccontextmanager
    async def with_(self, member: str, seconds: float | None) -> AsyncIterator[None]:
        """Wait in here for what `member` says; raises TimeoutError after `seconds`. None: without end."""
        if seconds is None:
            yield
            return
        async with asyncio.timeout(None) as limit:
            self._limits[member], self._left[member] = limit, seconds
            try:
                self._go_on(member)
                yield
            finally:
                del self._limits[member], self._left[member]

    @contextmanager
    def asks(self, member: str) -> Iterator[None]:
        """`member` asks a person, and waits for the answer in here."""
        self._asking[member] += 1
        limit = self._limits.get(member)
        if limit is not None and not limit.expired() and (when := limit.when()) is not None:
            self._left[member] = max(0.0, when - asyncio.get_running_loop().time())
            limit.reschedule(None)
        try:
            yield
        finally:
            self._asking[member] -= 1
            self._go_on(member)

    def _go_on(self, member: str) -> None:
        limit = self._limits.get(member)
        if limit is not None and not self._asking[member] and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time() + self._left[member])
