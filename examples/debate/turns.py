"""Who speaks when in a debate: a selection function, which knows the last speaker and all messages."""

from collections.abc import Sequence

from rostra.protocol import ChatMessage

SPEECHES = 3
"""Of each side."""


def next_speaker(last_speaker: str, messages: Sequence[ChatMessage]) -> str:
    """Pro and con in turn, until each has had its speeches; then the judge."""
    speeches = sum(message.name in ("pro", "con") for message in messages)
    if speeches == 2 * SPEECHES:
        return "judge"
    return "con" if last_speaker == "pro" else "pro"
