"""Publishing the pieces of an answer while it is written."""

import asyncio

from rostra.protocol import Client
from rostra.protocol.chat import Delta
from rostra.protocol.completion import StreamTo


class Live:
    """Publishes pieces as `Delta` where `stream` says, in the name of `speaker`; what comes in one turn of the loop together."""

    def __init__(self, client: Client, stream: StreamTo, speaker: str) -> None:
        self._client, self._stream, self._speaker = client, stream, speaker
        self._pieces: list[str] = []
        self._timer: asyncio.Handle | None = None

    def __call__(self, text: str) -> None:
        """One more piece."""
        self._pieces.append(text)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_soon(self.flush)

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
