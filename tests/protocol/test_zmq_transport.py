"""What libzmq does to a message whose connection breaks while its frames are handed over."""

from pathlib import Path

import pytest
import zmq

from rostra.protocol import ZmqTransport

FRAMES = [(b"peer", True), (b"head", True), (b"body", False)]


class Deaf:
    """Hears nothing."""

    def connected(self) -> None: ...

    def disconnected(self) -> None: ...

    def received(self, *frames: bytes) -> None: ...

    def events_connected(self) -> None: ...

    def received_event(self, *frames: bytes) -> None: ...


@pytest.mark.parametrize("broken_at", [2, 3])
async def test_a_message_within_which_the_connection_breaks_is_ended_and_sent_whole_later(broken_at: int, tmp_path: Path) -> None:
    transport = ZmqTransport(f"ipc://{tmp_path}/bus")
    transport.open(Deaf())
    handed: list[tuple[bytes, bool]] = []

    def send(frame: bytes, flags: int) -> None:
        handed.append((frame, bool(flags & zmq.SNDMORE)))
        if len(handed) == broken_at:
            raise zmq.Again

    transport._send, transport._connected = send, True
    try:
        assert transport.send(b"peer", b"head", b"body")
        assert handed == FRAMES, "libzmq drops what follows up to a last frame; without one it would drop the next message too"
        transport._flush()
        assert handed == FRAMES * 2
        transport._flush()
        assert handed == FRAMES * 2
    finally:
        await transport.aclose()
