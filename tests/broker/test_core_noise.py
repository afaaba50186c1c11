"""The broker's core: what is no message is complained about and breaks nothing."""

from random import Random

import pytest

from rostra.protocol.directory import Replay, Subscribe
from rostra.protocol.frames import encode_body, encode_head
from rostra.protocol.messages import NO_REQUEST, Beat, Cancel, Error, Hello, Publish, Reply, Request, Type

from .bench import ID, NONCE, Bench, boot, errors


@pytest.mark.requirement("R-ERROR-1")
@pytest.mark.parametrize(
    ("peer", "head"),
    [
        (b"", b""),
        (b"", b"\x01\x10\x91\xa1\xff"),
        (b"", b"\x01\x01\x92\xa1\xff\xc4\x10" + ID),
        (b"\xff\xfe", encode_head(Request(ID, "ask", 0))),
        (b"anna", encode_head(Beat(1))),
    ],
)
def test_what_is_no_message_is_complained_about_and_the_session_goes_on(peer: bytes, head: bytes) -> None:
    bench = Bench()
    bench.join(b"r1", "anna")
    ((_, id_, _),) = errors(bench.heard(bench.core.received(b"r1", peer, head, b"")))
    assert id_ == NO_REQUEST
    assert bench.ask(b"r1", "ping") is None


@pytest.mark.requirement("R-ERROR-1")
@pytest.mark.parametrize("seed", range(20))
def test_noise_never_breaks_the_broker(seed: int) -> None:
    bench, random = Bench(), Random(seed)
    bench.join(b"r1", "anna")
    bench.join(b"r2", "team", shared=True)
    headers = (
        Hello("bert", ID),
        Request(ID, "replay", 5),
        Publish("news", boot(b"r1"), 1),
        Reply(ID),
        Error(ID, "x", "y"),
        Cancel(ID),
    )
    heads = [encode_head(one) for one in headers]
    far = Replay(topic="news", after=-(2**40), limit=-1)
    bodies = [b"", b"\xc0", encode_body(far), encode_body(Subscribe(pattern="*", nonce=NONCE))]
    for _ in range(400):
        head = bytearray(random.choice(heads))
        for _ in range(random.choice([0, 0, 1, 3])):
            head[random.randrange(len(head))] = random.randrange(256)
        if random.random() < 0.2:
            head[1] = random.choice(list(Type))
        peer = random.choice([b"", b"", b"anna", b"team", b"team~1", b"\xff", b"~", random.randbytes(4)])
        body = random.choice([*bodies, random.randbytes(random.randrange(20))])
        bench.core.received(random.choice([b"r1", b"r2", b"r3"]), peer, bytes(head), body)
        bench.core.heard(random.choice([b"\0" + NONCE, random.randbytes(17), b"\0"]))
        bench.core.now += random.choice([0.0, 0.1, 5.0])
        bench.core.tick()
