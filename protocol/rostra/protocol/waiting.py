"""Futures by id: what somebody waits for, and what became of it."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """What is waited for. Who waits may have gone: then nothing happens."""

    def __init__(self) -> None:
        self._futures: dict[bytes, asyncio.Future[T]] = {}

    def __len__(self) -> int:
        return len(self._futures)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._futures

    def add(self, id_: bytes, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[T]":
        """A future for `id_`."""
        future = self._futures[id_] = loop.create_future()
        return future

    def forget(self, id_: bytes) -> bool:
        """Nobody waits for `id_` any more; whether somebody did."""
        return self._futures.pop(id_, None) is not None

    def came(self, id_: bytes, value: T) -> None:
        """It came."""
        future = self._futures.pop(id_, None)
        if future is not None and not future.done():
            future.set_result(value)

    def failed(self, id_: bytes, error: Exception) -> None:
        """It will not come."""
        future = self._futures.pop(id_, None)
        if future is not None and not future.done():
            future.set_exception(error)
