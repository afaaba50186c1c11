"""A service: bounded, drained, and never silent."""

import asyncio
from typing import Any

import pytest
from tests.conftest import Join, until

from rostra.broker.memory import MemoryBroker
from rostra.protocol import Cancelled, ChatMessage, Client, Incoming, MailboxFull, Refused, RemoteError, Service, Stopping


class Gate:
    """A handler that waits until it is let through."""

    def __init__(self) -> None:
        self.open, self.running, self.most, self.seen = asyncio.Event(), 0, 0, list[str]()

    async def __call__(self, message: ChatMessage, _: Incoming) -> ChatMessage:
        self.running += 1
        self.most = max(self.most, self.running)
        self.seen.append(message.text)
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        return message


@pytest.mark.requirement("R-SERVE-7")
async def test_concurrency_and_mailbox_are_bounded_and_nothing_is_refused_in_silence(join: Join) -> None:
    gate, bert, anna = Gate(), await join("bert"), await join("anna")
    service = Service(bert, concurrency=2, mailbox=3)
    service.method("ask", ChatMessage, gate)
    asks = [asyncio.create_task(anna.ask("bert", str(n))) for n in range(8)]
    await until(lambda: sum(task.done() for task in asks) == 3)
    assert service.load == (2, 3)
    gate.open.set()
    outcomes = await asyncio.gather(*asks, return_exceptions=True)
    assert sum(isinstance(one, MailboxFull) for one in outcomes) == 3
    assert sorted(one.text for one in outcomes if isinstance(one, ChatMessage)) == sorted(gate.seen)
    assert gate.most == 2
    assert gate.seen == sorted(gate.seen), "the mailbox keeps their order"


@pytest.mark.requirement("R-SERVE-8")
async def test_draining_answers_everyone(join: Join) -> None:
    gate, bert, anna = Gate(), await join("bert"), await join("anna")

    async def stubborn(message: ChatMessage, _: Incoming) -> ChatMessage:
        while not gate.open.is_set():
            try:
                await gate.open.wait()
            except asyncio.CancelledError:
                continue
        return message

    service = Service(bert, concurrency=3, mailbox=10)
    service.method("ask", ChatMessage, gate)
    service.method("quick", ChatMessage, lambda message, _: asyncio.sleep(0.1, message))
    service.method("stubborn", ChatMessage, stubborn)
    message = ChatMessage(content="x")
    asks = [asyncio.create_task(anna.request("bert", method, message)) for method in ("quick", "ask", "stubborn", "ask")]
    await until(lambda: service.load == (3, 1))
    await service.drain(0.5)
    quick, *others = await asyncio.gather(*asks, return_exceptions=True)
    assert isinstance(quick, dict)
    assert quick["content"] == "x"
    assert [type(one) for one in others] == [Stopping] * 3
    with pytest.raises(Stopping):
        await anna.ask("bert", "late")
    gate.open.set()
    await until(lambda: service.load == (0, 0))


async def test_a_handler_that_is_cancelled_before_it_ran_answers_too() -> None:
    """Draining in the turn of the loop in which a request came in."""
    broker = MemoryBroker()
    async with Client(broker.transport(), name="anna") as anna, Client(broker.transport(), name="bert") as bert:
        service = Service(bert)
        service.method("ask", ChatMessage, Gate())
        drained: list[asyncio.Task[None]] = []
        incoming = bert.on_request
        assert incoming is not None

        def drain(request: Incoming) -> None:
            incoming(request)
            drained.append(asyncio.create_task(service.drain(0.0)))
            for task in service._tasks.values():
                task.cancel()

        bert.on_request = drain
        with pytest.raises((Stopping, Cancelled)):
            await anna.ask("bert", "x", timeout=20)
        await asyncio.gather(*drained)


@pytest.mark.requirement("R-SERVE-4")
async def test_asking_again_with_the_id_of_a_cancelled_request_is_a_new_try(join: Join) -> None:
    bert, anna = await join("bert"), await join("anna")
    runs: list[int] = []

    async def slow_to_die(message: ChatMessage, _: Incoming) -> ChatMessage:
        run = len(runs)
        runs.append(run)
        if run == 0:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.3)  # the old handler unwinds while the new one works
        await asyncio.sleep(0.6)
        return message

    service = Service(bert)
    service.method("ask", ChatMessage, slow_to_die)
    message, id_ = ChatMessage(content="x"), b"t" * 16
    first = asyncio.create_task(anna.request("bert", "ask", message, id=id_))
    await until(lambda: runs == [0])
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await anna.request("bert", "ask", message, id=id_, timeout=20))["content"] == "x"
    assert runs == [0, 1]
    await until(lambda: service.load == (0, 0))
    assert not service._unwinding


async def test_a_payload_of_another_type_is_refused_and_a_failing_handler_is_named(join: Join) -> None:
    bert, anna = await join("bert"), await join("anna")

    async def bad(_: Any, __: Incoming) -> None:
        raise ValueError("boom")

    service = Service(bert)
    service.method("ask", ChatMessage, bad)
    with pytest.raises(Refused):
        await anna.request("bert", "ask", [1, 2])
    with pytest.raises(RemoteError, match="ValueError: boom"):
        await anna.ask("bert", "x")
