"""The broker on real sockets, and whoever speaks no protocol to it."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from rostra.broker.server import Server
from rostra.protocol.address import events_address
from rostra.protocol.frames import decode_head, encode_head
from rostra.protocol.limits import MAX_FRAME, MAX_HEAD
from rostra.protocol.messages import Beat, Error, Header, Hello, Request, Welcome, Who

ID = b"0123456789abcdef"


Dial = Callable[[str], "Raw"]


class Raw:
    """A bare DEALER."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", address: str) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.set(zmq.RCVTIMEO, 10_000)
        self.socket.connect(address)

    def say(self, header: Header, peer: bytes = b"", body: bytes = b"") -> None:
        self.socket.send_multipart([peer, encode_head(header), body])

    def hear(self) -> Header:
        _, head, _ = self.socket.recv_multipart()
        return decode_head(head)

    def join(self, name: str) -> None:
        self.say(Hello(name, name.encode().ljust(16, b".")))
        assert isinstance(self.hear(), Welcome)


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Makes bare sockets to a broker; all are closed at the end."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made: list[Raw] = []

    def connect(address: str) -> Raw:
        made.append(Raw(context, address))
        return made[-1]

    yield connect
    for raw in made:
        raw.socket.close(linger=0)
    context.destroy(linger=0)


@pytest.mark.requirement("R-FRAME-1")
@pytest.mark.parametrize("frames", [1, 2, 4, 50])
def test_a_message_of_another_number_of_frames_does_not_spoil_the_next(broker_address: str, dial: Dial, frames: int) -> None:
    raw = dial(broker_address)
    raw.socket.send_multipart([b"x"] * frames)
    assert isinstance(raw.hear(), Who)
    raw.join("anna")
    for number in range(20):
        raw.socket.send_multipart([b"x"] * frames)
        raw.say(Beat(number))
        assert raw.hear() == Beat(number)


@pytest.mark.requirement("R-WHO-1")
def test_an_unknown_route_gets_who(broker_address: str, dial: Dial) -> None:
    raw = dial(broker_address)
    raw.say(Request(ID, "ask", 0), peer=b"anna")
    assert isinstance(raw.hear(), Who)


@pytest.mark.requirement("R-ERROR-1")
def test_garbage_of_one_peer_leaves_the_others_alone(broker_address: str, dial: Dial) -> None:
    anna, bert, stranger = (dial(broker_address) for _ in range(3))
    anna.join("anna")
    bert.join("bert")
    for _ in range(50):
        stranger.socket.send_multipart([os.urandom(9), os.urandom(30), os.urandom(30)])
        anna.socket.send_multipart([b"bert", bytes((1, 16)) + os.urandom(20), os.urandom(9)])
        anna.socket.send_multipart([b"\xff\xfe", encode_head(Request(ID, "ask", 0)), b""])
        anna.socket.send_multipart([b"", b"\x01\x01\x92\xa1\xff\xc4\x10" + ID, b""])
    anna.say(Request(ID, "ask", 0), peer=b"bert")
    while True:
        sender, head, _ = bert.socket.recv_multipart()
        assert sender == b"anna"
        if head == encode_head(Request(ID, "ask", 0)):
            break
    bert.say(Beat(7))
    assert bert.hear() == Beat(7)


@pytest.mark.requirement("R-LIMIT-1")
def test_a_frame_beyond_the_limit_ends_its_connection_only(broker_address: str, dial: Dial) -> None:
    anna, bert = dial(broker_address), dial(broker_address)
    anna.join("anna")
    bert.join("bert")
    monitor = anna.socket.get_monitor_socket(int(zmq.EVENT_DISCONNECTED))
    anna.say(Request(ID, "ask", 0), peer=b"bert", body=bytes(MAX_FRAME + 1))
    assert monitor.poll(10_000), "the connection was not ended"
    anna.socket.disable_monitor()
    monitor.close()
    bert.say(Beat(1))
    assert bert.hear() == Beat(1)


@pytest.mark.requirement("R-HEAD-4")
def test_a_head_beyond_the_limit_is_complained_about(broker_address: str, dial: Dial) -> None:
    anna, bert = dial(broker_address), dial(broker_address)
    anna.join("anna")
    bert.join("bert")
    anna.socket.send_multipart([b"bert", bytes((1, 16)) + bytes(MAX_HEAD), b""])
    error = anna.hear()
    assert isinstance(error, Error)
    assert error.code == "too_large"


@pytest.mark.requirement("R-ROUTE-2")
def test_a_request_to_a_peer_whose_connection_is_gone_is_answered(broker_address: str, dial: Dial) -> None:
    anna, bert = dial(broker_address), dial(broker_address)
    anna.join("anna")
    bert.join("bert")
    bert.socket.close(linger=0)
    started = time.monotonic()
    while True:
        anna.say(Request(ID, "ask", 0), peer=b"bert")
        if anna.socket.poll(100):
            error = anna.hear()
            assert isinstance(error, Error)
            assert (error.id, error.code) == (ID, "peer_lost")
            break
        assert time.monotonic() < started + 10
    anna.say(Request(ID, "ask", 0), peer=b"bert")
    error = anna.hear()
    assert isinstance(error, Error)
    assert error.code == "no_such_agent"


@pytest.mark.requirement("R-STOP-1")
def test_the_broker_stops_within_a_second_in_the_middle_of_a_flood(tmp_path: Path, dial: Dial) -> None:
    server = Server(f"ipc://{tmp_path}/bus/broker")
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(10)
    raw = dial(server.address)
    raw.join("anna")
    for _ in range(2000):
        raw.say(Request(ID, "ask", 0), peer=b"anna", body=bytes(100))
    started = time.monotonic()
    server.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - started < 1.0


@pytest.mark.requirement("R-SOCKET-1")
def test_the_sockets_are_their_owners_and_a_directory_that_was_there_is_left_as_it_was(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    for path, mode in ((shared / "broker", 0o755), (tmp_path / "new" / "broker", 0o700)):
        server = Server(f"ipc://{path}")
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert server.ready.wait(10)
            assert path.parent.stat().st_mode & 0o777 == mode
            for address in (server.address, events_address(server.address)):
                assert Path(address.removeprefix("ipc://")).stat().st_mode & 0o077 == 0
        finally:
            server.stop()
            thread.join(10)


@pytest.mark.requirement("R-SOCKET-2")
def test_a_second_broker_does_not_take_the_address_of_the_first(broker_address: str, dial: Dial) -> None:
    with pytest.raises(zmq.ZMQError) as caught:
        Server(broker_address).run()
    assert caught.value.errno == zmq.EADDRINUSE
    dial(broker_address).join("anna")
