"""Publishing the pieces of an answer while it is written."""

import asyncio

from rostra.protocol import Client
from rostra.protocol.chat import Delta
from rostra.protocol.completion import StreamTo

TOGETHER = 0.002
"""Seconds: pieces that come within this time after an event travel as one."""


class Live:
    """Publishes pieces as `Delta` where `stream` says, in the name of `speaker`: a lone one at once, a burst together."""

    def __init__(self, client: Client, stream: StreamTo, speaker: str) -> None:
        self._client, self._stream, self._speaker = client, stream, speaker
        self._pieces: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0

    def __call__(self, text: str) -> None:
        """One more piece."""
        self._pieces.append(text)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._quiet_until), self.flush)

    def flush(self) -> None:
        """Publish what is held back."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._pieces:
            stream, text = self._stream, "".join(self._pieces)
            self._pieces.clear()
            self._quiet_until = asyncio.get_running_loop().time() + TOGETHER
            self._client.publish(
                stream.topic, Delta(chat=stream.chat, sequence=stream.sequence, speaker=self._speaker, text=text)
            )
