"""Waiting until the broker knows somebody."""

import asyncio

from rostra.protocol import Client, Presence, Subscription
from rostra.protocol.directory import PRESENCE

SECONDS = 60.0


async def arrive(events: Subscription, names: set[str]) -> None:
    """Wait until each of `names` was seen to come online in `events`, a subscription to presence."""
    missing = set(names)
    async with asyncio.timeout(SECONDS):
        while missing:
            presence = (await anext(events)).decode(Presence)
            if presence.state == "online":
                missing.discard(presence.name)


async def present(client: Client, names: set[str]) -> None:
    """Wait until each of `names` is connected."""
    async with client.subscribe(PRESENCE) as events:
        await arrive(events, names - {peer.name for peer in await client.peers()})
