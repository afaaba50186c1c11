"""Two agents, a function each: it gets the message to answer and a context, and returns text (or a ChatMessage, or None)."""

from rostra.agents import Context
from rostra.protocol import ChatMessage


async def count(message: ChatMessage, context: Context) -> str:
    """An async function: it may await, ask other agents (`context.ask`), publish (`context.publish`)."""
    return f"{len(message.text.split())} words"


def longest(message: ChatMessage, context: Context) -> str:
    """A plain function runs in a thread. `context.history` is the conversation as this agent has seen it."""
    words = context.history[0].text.split()
    return f"the longest is {max(words, key=len)!r}"
