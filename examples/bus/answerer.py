"""bus: an answerer on the bus. Start the broker first, then this, then asker.py:

rostra broker --bind ipc:///tmp/rostra-bus/broker &
python examples/bus/answerer.py ipc:///tmp/rostra-bus/broker &
python examples/bus/asker.py ipc:///tmp/rostra-bus/broker
"""

import asyncio
import sys

from rostra.protocol import ChatMessage, Client, Incoming, Service


async def main(address: str) -> None:
    bus = Client.connect(address, name="answerer")

    async def count(message: ChatMessage, request: Incoming) -> ChatMessage:
        bus.publish("counted.words", {"for": request.sender, "text": message.text})  # whoever listens
        return ChatMessage(content=f"{len(message.text.split())} words", name=bus.name)

    Service(bus).method("ask", ChatMessage, count)  # before anybody can ask
    async with bus:
        await bus.ended


asyncio.run(main(sys.argv[1]))
