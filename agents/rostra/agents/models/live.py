"""Publishing the pieces of an answer while it is written."""

import asyncio

from rostra.protocol import Client
from rostra.protocol.chat import Delta
from rostra.protocol.completion import StreamTo

TOGETHER = 0.02
"""Seconds: pieces that come within this time travel as one event."""


class Live:
    """Publishes pieces as `Delta` where `stream` says, in the name of `speaker`."""

    def __init__(self, client: Client, stream: StreamTo, speaker: str) -> None:
        self._client, self._stream, self._speaker = client, stream, speaker
        self._pieces: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, text: str) -> None:
        """One more piece."""
        self._pieces.append(text)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TOGETHER, self.flush)

    def flush(self) -> None:
        """Publish what is held back."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._pieces:
            stream, text = self._stream, "".join(self._pieces)
            self._pieces.clear()
            self._client.publish(
                stream.topic, Delta(chat=stream.chat, sequence=stream.sequence, speaker=self._speaker, text=text)
            )
