"""A peer's answers: each id is worked on once."""

import pytest

from rostra.protocol.effects import CancelIncoming, Incoming, Send
from rostra.protocol.errors import RemoteError
from rostra.protocol.frames import decode_body, decode_head
from rostra.protocol.messages import Error, Reply, Request, Working
from rostra.protocol.serving import FIRST_SIGN, KEPT_BYTES, KEPT_REPLIES, SIGN, Serving

ID = b"0123456789abcdef"
REQUEST = Request(ID, "ask", 0)


def open_() -> Serving:
    serving = Serving()
    assert isinstance(serving.request("anna", REQUEST, b"\xc0", 0.0)[0], Incoming)
    return serving


@pytest.mark.requirement("R-SERVE-1")
def test_a_repeated_id_shows_a_sign_while_it_is_worked_on_and_the_same_reply_afterwards() -> None:
    serving = open_()
    (sign,) = serving.request("anna", REQUEST, b"\xc0", 1.0)
    assert isinstance(sign, Send)
    assert decode_head(sign.head) == Working(ID)
    reply = serving.reply("anna", ID, b"\x07")
    assert serving.request("anna", REQUEST, b"\xc0", 2.0) == reply
    assert serving.reply("anna", ID, b"\x08") == [], "answered twice"


@pytest.mark.requirement("R-SERVE-1")
def test_the_same_id_of_another_peer_is_another_request() -> None:
    serving = open_()
    serving.reply("anna", ID, b"\x07")
    assert isinstance(serving.request("bert", REQUEST, b"\xc0", 0.0)[0], Incoming)


@pytest.mark.requirement("R-SERVE-2")
def test_an_error_is_not_kept_so_that_a_repeated_id_is_a_new_try() -> None:
    serving = open_()
    (send,) = serving.fail("anna", ID, RemoteError("no", details={"why": 1}))
    assert isinstance(send, Send)
    assert decode_head(send.head) == Error(ID, "failed", "no")
    assert decode_body(send.body) == {"why": 1}
    assert isinstance(serving.request("anna", REQUEST, b"\xc0", 1.0)[0], Incoming)


@pytest.mark.requirement("R-SERVE-3")
def test_signs_of_life_come_after_half_a_second_and_every_two() -> None:
    serving, signs = open_(), []
    while serving.due < 10:
        now = serving.due
        signs += [now for _ in serving.tick(now)]
        assert serving.due > now, "a tick that does not advance"
    assert signs == [FIRST_SIGN + SIGN * n for n in range(5)]


@pytest.mark.requirement("R-SERVE-4")
def test_a_cancel_ends_the_request_and_only_that_of_its_sender() -> None:
    serving = open_()
    assert serving.cancelled("bert", ID) == []
    assert serving.cancelled("anna", ID) == [CancelIncoming(ID, "anna")]
    assert serving.reply("anna", ID, b"\x07") == []
    assert len(serving) == 0


@pytest.mark.requirement("R-SERVE-5")
def test_kept_replies_are_bounded_in_number_and_bytes() -> None:
    serving = Serving()
    for number in range(KEPT_REPLIES + 100):
        id_ = number.to_bytes(16, "big")
        serving.request("anna", Request(id_, "ask", 0), b"\xc0", 0.0)
        serving.reply("anna", id_, bytes(100_000))
    assert sum(len(kept.body) for kept in serving._replies.values()) == serving._bytes <= KEPT_BYTES
    assert len(serving._replies) <= KEPT_REPLIES
    assert len(serving) == 0


@pytest.mark.requirement("R-SERVE-6")
@pytest.mark.parametrize(
    "error",
    [RemoteError("no", details={"x": object()}), RemoteError("\ud800"), RemoteError("x" * 100_000), RemoteError("ß" * 9000)],
    ids=range(4),
)
def test_an_error_that_cannot_be_told_in_full_is_told_all_the_same(error: RemoteError) -> None:
    (send,) = open_().fail("anna", ID, error)
    assert isinstance(send, Send)
    header = decode_head(send.head)
    assert isinstance(header, Error)
    assert (header.id, header.code) == (ID, "failed")


def test_a_reply_is_a_reply() -> None:
    (send,) = open_().reply("anna", ID, b"\x07")
    assert isinstance(send, Send)
    assert (send.peer, decode_head(send.head), send.body) == (b"anna", Reply(ID), b"\x07")
