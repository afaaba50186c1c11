"""An agent that is a function: it counts the words of what was said last."""

from rostra.agents import Context
from rostra.protocol import ChatMessage


async def count(message: ChatMessage, context: Context) -> str:
    """Say how many words `message` has."""
    return f"{len(message.text.split())} words"
