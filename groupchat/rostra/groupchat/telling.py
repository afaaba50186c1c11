"""What observers are told of one chat: the events of its topic, as effects. Pure."""

from typing import Literal

from rostra.protocol import ChatMessage
from rostra.protocol.chat import ChatEvent, Control, Result, Why

from .inputs import Publish
from .rows import Row


class Telling:
    """Makes the events of the chat `chat`."""

    def __init__(self, chat: str) -> None:
        self._chat = chat

    def started(self, speaker: str) -> Publish:
        """The chat has begun, with words of `speaker`."""
        return Publish(ChatEvent(type="started", chat=self._chat, speaker=speaker))

    def selected(self, speaker: str, why: Why) -> Publish:
        """Somebody was chosen."""
        return Publish(ChatEvent(type="selected", chat=self._chat, sequence=why.sequence, speaker=speaker, why=why.reason))

    def message(self, message: ChatMessage) -> Publish:
        """A message is in the transcript."""
        return Publish(
            ChatEvent(type="message", chat=self._chat, sequence=message.sequence, speaker=message.name, message=message)
        )

    def missed(self, type_: Literal["failed", "skipped"], row: Row, sequence: int) -> Publish:
        """A turn came to nothing; `sequence` is the place that its message would have had."""
        return Publish(ChatEvent(type=type_, chat=self._chat, sequence=sequence, speaker=row.speaker, error=row.error))

    def passed(self, row: Row, sequence: int) -> Publish:
        """A member has left the word to the others."""
        return Publish(ChatEvent(type="passed", chat=self._chat, sequence=sequence, speaker=row.speaker))

    def vote(self, row: Row, sequence: int) -> Publish:
        """The members have voted."""
        why = row.why
        assert why is not None
        return Publish(
            ChatEvent(type="vote", chat=self._chat, sequence=sequence, speaker=row.speaker, why=why.reason, tally=why.tally)
        )

    def state(self, sequence: int, state: str = "", control: Control | None = None) -> Publish:
        """The chat runs, or is paused; or an operator did something."""
        return Publish(ChatEvent(type="state", chat=self._chat, sequence=sequence, why=state, control=control))

    def result(self, result: Result) -> Publish:
        """The chat has ended, or rests."""
        return Publish(ChatEvent(type="result", chat=self._chat, sequence=result.messages, result=result))
