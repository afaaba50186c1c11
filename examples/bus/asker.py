"""bus: an asker on the bus, which also listens to what the answerer publishes. How to start it: see answerer.py."""

import asyncio
import sys

from rostra.protocol import Client


async def main(address: str) -> None:
    async with Client.connect(address, name="asker") as bus, bus.subscribe("counted.*") as events:
        for text in ("one two three", "to be or not to be"):
            answer = await bus.ask("answerer", text, timeout=10, absent=10)  # NoSuchAgent, PeerLost, TimedOut … never silence
            print(f"{text!r}: {answer.text}")
            event = await anext(events)
            print(f"  published on {event.topic} by {event.sender}: {event.payload}")


asyncio.run(main(sys.argv[1]))
