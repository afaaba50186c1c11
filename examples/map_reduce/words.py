"""Map and reduce: the most frequent words of a text, counted line by line by whichever replica has time."""

import asyncio
import json
import os
import re
from collections import Counter
from typing import Any

from rostra.agents import Context
from rostra.protocol import ChatMessage, PeerLost

AT_ONCE = 16
"""Lines that are with the mappers at once."""
MOST = 5


async def map_line(message: ChatMessage, context: Context) -> str:
    """The words of a line and how often each is there, as JSON; and who counted."""
    counts = Counter(re.findall(r"\w+", message.text.lower()))
    return json.dumps({"counts": counts, "by": os.getpid()})


async def reduce(message: ChatMessage, context: Context) -> str:
    """The most frequent words of a text."""
    room = asyncio.Semaphore(AT_ONCE)

    async def mapped(line: str) -> dict[str, Any]:
        async with room:
            while True:
                try:
                    answer = await context.ask("mapper", line, timeout=60.0)
                except PeerLost:  # the replica died with the line in its hands: another one counts it
                    continue
                found: dict[str, Any] = json.loads(answer.text)
                return found

    lines = [line for line in message.text.splitlines() if line.strip()]
    total: Counter[str] = Counter()
    workers: set[int] = set()
    for found in await asyncio.gather(*map(mapped, lines)):
        total.update(found["counts"])
        workers.add(found["by"])
    words = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:MOST]
    listed = ", ".join(f"{word} {count}" for word, count in words)
    return f"{listed} ({total.total()} words, {len(lines)} lines, {len(workers)} mappers)"
