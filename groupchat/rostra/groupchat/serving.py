"""A coordinator as a process has one: connected to a broker until it is told to stop."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rostra.protocol import COORDINATOR, Cancelled, Client, Transport, open_transport

from .coordinator import Coordinator
from .options import ChatOptions
from .seat import Seat
from .signals import Signals


async def serve(
    address: str,
    options: ChatOptions,
    database: Path,
    *,
    stop: asyncio.Event,
    transport: Callable[[], Transport] | None = None,
    ready: Callable[[], None] | None = None,
    signals: bool = False,
    seat: Seat | None = None,
) -> None:
    """Be the coordinator of the broker at `address` until `stop` is set; `ready` is called once it answers.

    `seat`: ours, among several coordinators. `signals`: from then on SIGINT, SIGTERM and SIGHUP mean what `signals.Signals`
    says; for a process of its own.

    Raises `BadOptions`, `sqlite3.Error`, and the error that ended the connection: `Superseded`, `Refused`, `BrokerLost`;
    `Fenced` when another coordinator has taken the chats, `Unseated` when one has taken the seat.
    """
    carrier = transport() if transport else open_transport(address, COORDINATOR)
    client = Client(carrier, name=COORDINATOR, info={"kind": "coordinator"})
    coordinator = Coordinator(client, options, database)
    async with client:
        try:
            await coordinator.start()
            if signals:
                Signals(coordinator, stop).listen()
            if ready:
                ready()
            stopping = asyncio.ensure_future(stop.wait())
            waiting: list[asyncio.Future[Any]] = [stopping, client.ended, coordinator.chats.fenced]
            if seat:
                waiting.append(seat.lost)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if coordinator.chats.fenced.done():
                raise coordinator.chats.fenced.result()
            if seat and seat.lost.done():
                raise seat.lost.result()
            if client.ended.done() and not stop.is_set():
                raise client.ended.result() or Cancelled("the client was closed")
        finally:
            await coordinator.aclose()
