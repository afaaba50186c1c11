"""AutoGen's distributed runtime: a gRPC host and workers in processes of their own."""

import asyncio
import logging
import os
import time
from dataclasses import dataclass

from roles import Role, drive, free_port, main

logging.disable(logging.CRITICAL)


@dataclass
class Said:
    number: int
    name: str
    role: str
    content: str


def host(pipe, address):
    from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntimeHost

    async def play():
        server = GrpcWorkerAgentRuntimeHost(address=address)
        server.start()
        await asyncio.sleep(0.3)
        pipe.send("up")
        await asyncio.Event().wait()

    asyncio.run(play())


async def worker(address):
    from autogen_core import try_get_known_serializers_for_type
    from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime

    runtime = GrpcWorkerAgentRuntime(host_address=address)
    await runtime.start()
    runtime.add_message_serializer(try_get_known_serializers_for_type(Said))
    return runtime


def answering(pipe, address):
    from autogen_core import MessageContext, RoutedAgent, message_handler

    class Echo(RoutedAgent):
        def __init__(self):
            super().__init__("echo")

        @message_handler
        async def on_said(self, message: Said, ctx: MessageContext) -> Said:
            return Said(message.number, "echo", "assistant", message.content)

    async def play():
        runtime = await worker(address)
        await Echo.register(runtime, "echo", lambda: Echo())
        pipe.send("up")
        await asyncio.Event().wait()

    asyncio.run(play())


def asking(pipe, address, size, count):
    from autogen_core import AgentId

    async def play():
        runtime, content, echo = await worker(address), "x" * size, AgentId("echo", "default")
        pipe.send(await drive(lambda: runtime.send_message(Said(1, "asker", "user", content), echo), count))

    asyncio.run(play())


def rpc(size, count):
    address = f"127.0.0.1:{free_port()}"
    roles = [Role(host, address)]
    roles[0].hear()
    roles.append(Role(answering, address))
    roles[1].hear()
    roles.append(Role(asking, address, size, count))
    sample = roles[2].hear(240)
    for role in reversed(roles):
        role.end()
    return sample


def subscriber(pipe, address, count):
    from autogen_core import MessageContext, RoutedAgent, message_handler, type_subscription

    async def play():
        done, state = asyncio.get_running_loop().create_future(), {"taken": 0, "synced": False}

        @type_subscription("news")
        class Reader(RoutedAgent):
            def __init__(self):
                super().__init__("reader")

            @message_handler
            async def on_said(self, message: Said, ctx: MessageContext) -> None:
                if message.role == "sync":
                    if not state["synced"]:
                        state["synced"] = True
                        pipe.send("synced")
                    return
                state["taken"] += 1
                if state["taken"] == count:
                    done.set_result(time.monotonic())

        runtime = await worker(address)
        await Reader.register(runtime, f"reader{os.getpid()}", lambda: Reader())
        pipe.send("up")
        pipe.send(await done)
        await asyncio.sleep(0.1)

    asyncio.run(play())


def publisher(pipe, address, size, count):
    from autogen_core import TopicId

    async def play():
        runtime, topic = await worker(address), TopicId("news", "default")
        pipe.send("up")
        while not pipe.poll(0):
            await runtime.publish_message(Said(0, "publisher", "sync", ""), topic)
            await asyncio.sleep(0.05)
        pipe.recv()
        await asyncio.sleep(0.3)
        began = time.monotonic()
        for number in range(count):
            await runtime.publish_message(Said(number, "publisher", "user", "x" * size), topic)
        pipe.send(began)
        await asyncio.sleep(60)

    asyncio.run(play())


def fan(subscribers, size, count):
    address = f"127.0.0.1:{free_port()}"
    bus = Role(host, address)
    bus.hear()
    readers = [Role(subscriber, address, count) for _ in range(subscribers)]
    for reader in readers:
        reader.hear()
    writer = Role(publisher, address, size, count)
    writer.hear()
    for reader in readers:
        reader.hear()
    writer.tell()
    began = writer.hear()
    ends = [reader.hear(240) for reader in readers]
    for role in [*readers, writer, bus]:
        role.end()
    return {"deliveries_s": count * subscribers / (max(ends) - began)}


if __name__ == "__main__":
    main({"rpc": rpc, "fan": fan})
