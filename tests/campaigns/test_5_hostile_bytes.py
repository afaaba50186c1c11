"""Frames and streams that are no messages: nothing but `BadMessage` comes of them, and memory does not grow."""

import asyncio
import gc
import os
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import free_port

from rostra.broker.core import Core
from rostra.broker.server import Server
from rostra.protocol import Client
from rostra.protocol.errors import BadMessage
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.keys import KeyRing
from rostra.protocol.messages import (
    Ack,
    Beat,
    Bye,
    Cancel,
    Error,
    Event,
    Header,
    Hello,
    Mail,
    Publish,
    Reject,
    Reply,
    Request,
    Stored,
    Subscribed,
    Welcome,
    Who,
    Working,
)
from rostra.protocol.session import Session

from .conftest import sized

ID = b"i" * 16
HEADERS: tuple[Header, ...] = (
    Hello("eve", ID),
    Welcome("eve", ID, 15_000),
    Who(ID),
    Beat(1),
    Bye("x"),
    Request(ID, "peers", 1000),
    Request(ID, "subscribe", 0),
    Request(ID, "mail.show", 0),
    Reply(ID),
    Error(ID, "failed", "no"),
    Working(ID),
    Cancel(ID),
    Mail(ID, 1, "", 1, 1),
    Stored(ID, 1),
    Ack(1, "no"),
    Reject(ID, 1, "refused", "no"),
    Publish("news", ID, 1),
    Event("eve", b"s" * 8, 1, 1, ID, 1),
    Subscribed(ID),
)
BODIES = (b"", encode_body(None), encode_body({"pattern": "news", "nonce": ID}), encode_body([[[{"a": 1}]]]), bytes(300))
ODD = (b"\xdf\xff\xff\xff\xff", b"\xc1", b"\x91" * 40, b"\xc6\xff\xff\xff\xff", b"\xcf" + b"\xff" * 8)
PEERS = (b"", b"ada", b"eve", b"team~1", b"\xff\xfe", b"x" * 300, b"presence")


def rss() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def mutated(dice: random.Random, data: bytes) -> bytes:
    """`data` with some bytes changed, cut, doubled or put in."""
    changed = bytearray(data)
    for _ in range(dice.choice((0, 1, 1, 2, 8))):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0 if changed:
                changed[at % len(changed)] = dice.randrange(256)
            case 1:
                del changed[at:]
            case 2:
                changed[at:at] = dice.randbytes(dice.randrange(9))
            case 3:
                changed += changed[:at]
            case _:
                changed[at : at + 1] = dice.choice(ODD)
    return bytes(changed[:20_000])


@pytest.mark.timeout(36_000)
def test_no_frame_raises_anything_else_or_grows_the_broker(tell: Callable[[str], None]) -> None:
    dice, frames = random.Random(5), sized(333_000, 3_333_000)
    heads = [encode_head(header) for header in HEADERS]
    counts: Counter[str] = Counter()
    core, session = Core(ID), Session("ada", boot=ID)
    routes = [bytes([number]) * 5 for number in range(4)]

    def one(round_: int) -> None:
        nonlocal core, session
        head, body, peer = mutated(dice, dice.choice(heads)), mutated(dice, dice.choice(BODIES)), dice.choice(PEERS)
        core.now = session_now = round_ * 0.001
        core.received(dice.choice(routes), mutated(dice, peer) if dice.random() < 0.1 else peer, head, body)
        session.received(dice.choice((b"", b"eve", peer)), head, body, session_now)
        for decode in (decode_head, decode_body):
            try:
                decode(head if decode is decode_head else body)
                counts["decoded"] += 1
            except BadMessage:
                counts["refused"] += 1
        if round_ % 1000 == 0:
            core.tick()
            core.heard(mutated(dice, b"\0" + ID))
            session.tick(session_now)
        if round_ % 20_000 == 0:  # a peer can make its own broker remember up to its bounds; what is asked here is a leak beyond
            core, session = Core(ID), Session("ada", boot=ID)

    for round_ in range(frames // 10):
        one(round_)
    gc.collect()
    before = rss()
    for round_ in range(frames):
        one(round_)
    core, session = Core(ID), Session("ada", boot=ID)
    gc.collect()
    grown = rss() - before
    assert grown <= 10 * 1024 * 1024, f"{grown / 1e6:.1f} MB more"
    said = f"{frames * 3:,} frames in {frames:,} messages, 0 unexpected exceptions, {counts['refused']:,} refused"
    tell(f"frame fuzz: {said}, RSS {grown / 1e6:+.1f} MB")


@pytest.mark.timeout(7200)
@settings(max_examples=sized(2000, 100_000), deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=70))
def test_whatever_hypothesis_thinks_of_is_answered_or_refused(head: bytes, body: bytes, peer: bytes) -> None:
    core = Core(ID)
    core.received(b"1", b"", encode_head(Hello("eve", ID)), b"")
    core.received(b"1", peer, b"\x01" + head, body)
    Session("ada", boot=ID).received(peer, b"\x01" + head, body, 0.0)


GREETINGS = (
    b"",
    b"\xff" + bytes(8) + b"\x7f",
    b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\0" * 32,
    b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(15) + b"\0" * 32,
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("keyed", [False, True])
async def test_no_stream_of_bytes_stops_the_broker(keyed: bool, tmp_path: Path, tell: Callable[[str], None]) -> None:
    dice, count = random.Random(6), sized(300, 10_000)
    ring = KeyRing(tmp_path / "keys")
    ring.create()
    ring.add("ada")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}" if keyed else f"ipc://{tmp_path}/bus"
    server = Server(address, tmp_path / "mail.db", keys=ring if keyed else None)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(20)
    try:
        async with Client.connect(address, name="ada", keys=ring.directory if keyed else None) as ada:
            for number in range(count):
                with socket.socket(socket.AF_INET if keyed else socket.AF_UNIX) as raw:
                    raw.connect(("127.0.0.1", port + number % 2) if keyed else f"{tmp_path}/bus")
                    raw.settimeout(5)
                    try:
                        raw.sendall(mutated(dice, dice.choice(GREETINGS)) + dice.randbytes(dice.choice((0, 10, 3000))))
                    except OSError:
                        continue
            async with asyncio.timeout(30):
                assert [one.name for one in await ada.peers()] == ["ada"]
    finally:
        server.stop()
        await asyncio.to_thread(thread.join, 30)
    assert not thread.is_alive()
    where = "on the keyed ports" if keyed else "on the socket without keys"
    tell(f"ZMTP garbage {where}: {count:,} streams, the broker answered afterwards")
