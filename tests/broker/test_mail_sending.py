"""The sender's side of mail: numbered per pair, sent again until stored, and what a refusal does."""

from rostra.protocol import MailboxFull, StorageFull
from rostra.protocol.effects import Effect, NotPosted, Posted, Send
from rostra.protocol.frames import decode_head
from rostra.protocol.mailing import OUT_OF_ORDER, QUIET, WINDOW, Outgoing
from rostra.protocol.messages import Mail, Reject, Stored

from .letters import EPOCH


def mails(effects: list[Effect]) -> list[Mail]:
    found = [decode_head(effect.head) for effect in effects if isinstance(effect, Send)]
    return [header for header in found if isinstance(header, Mail)]


def telling(count: int) -> tuple[Outgoing, list[Mail]]:
    outgoing = Outgoing(EPOCH)
    outgoing.rebound(0.0)
    sent: list[Mail] = []
    for number in range(count):
        sent += mails(outgoing.tell(bytes([number]), "ben", b"x", 0.0))
    return outgoing, sent


def test_letters_are_numbered_from_one_and_each_names_the_one_before() -> None:
    _, sent = telling(3)
    assert [(mail.sequence, mail.previous) for mail in sent] == [(1, 0), (2, 1), (3, 2)]


def test_at_most_a_window_of_letters_is_unconfirmed() -> None:
    outgoing, sent = telling(200)
    for _ in range(WINDOW):
        sent += mails(outgoing.tell(b"t", "ben", b"x", 0.0))
    assert len(sent) == WINDOW
    assert len(mails(outgoing.stored("ben", Stored(EPOCH, 10), 1.0))) == 10


def test_stored_confirms_everything_up_to_its_number_once() -> None:
    outgoing, _ = telling(3)
    assert [effect for effect in outgoing.stored("ben", Stored(EPOCH, 2), 1.0) if isinstance(effect, Posted)] == [
        Posted(b"\0"),
        Posted(b"\1"),
    ]
    assert outgoing.stored("ben", Stored(EPOCH, 2), 1.0) == []
    assert outgoing.stored("ben", Stored(b"o" * 16, 3), 1.0) == []
    assert len(outgoing) == 1


def test_a_letter_out_of_order_makes_the_sender_go_back() -> None:
    outgoing, _ = telling(3)
    again = mails(outgoing.rejected("ben", Reject(EPOCH, 2, OUT_OF_ORDER, ""), 1.0))
    assert [mail.sequence for mail in again] == [1, 2, 3]


def test_the_number_of_a_refused_letter_is_not_used_again() -> None:
    outgoing, _ = telling(3)
    effects = outgoing.rejected("ben", Reject(EPOCH, 1, "mailbox_full", "full"), 1.0)
    assert isinstance(effects[0], NotPosted)
    assert isinstance(effects[0].error, MailboxFull)
    assert [(mail.sequence, mail.previous, mail.round) for mail in mails(effects)] == [(2, 0, 1)]


def test_after_a_refusal_one_letter_goes_at_a_time_until_one_is_taken() -> None:
    outgoing, _ = telling(100)
    for number in range(1, 50):
        sent = mails(outgoing.rejected("ben", Reject(EPOCH, number, "mailbox_full", "", number - 1), 1.0))
        assert [mail.sequence for mail in sent] == [number + 1]
    assert [mail.sequence for mail in mails(outgoing.stored("ben", Stored(EPOCH, 50), 1.0))] == [51, 52]
    assert [mail.sequence for mail in mails(outgoing.stored("ben", Stored(EPOCH, 52), 1.0))] == [53, 54, 55, 56, 57, 58, 59, 60]


def test_a_verdict_on_an_earlier_try_refuses_no_other_letter() -> None:
    """Two copies of letter 1 are refused, then there is room: the second verdict must not fall on what came after."""
    outgoing, _ = telling(2)
    outgoing.tick(QUIET)
    assert outgoing.rejected("ben", Reject(EPOCH, 1, "mailbox_full", "", 0), QUIET) == []
    effects = outgoing.rejected("ben", Reject(EPOCH, 1, "mailbox_full", "", 1), QUIET)
    assert [effect.token for effect in effects if isinstance(effect, NotPosted)] == [b"\0"]
    assert outgoing.rejected("ben", Reject(EPOCH, 1, "mailbox_full", "", 1), QUIET) == []
    assert [effect.token for effect in outgoing.stored("ben", Stored(EPOCH, 2), QUIET) if isinstance(effect, Posted)] == [b"\1"]


def test_what_is_not_confirmed_is_sent_again_after_a_while_and_over_a_new_connection() -> None:
    outgoing, _ = telling(2)
    assert outgoing.due == QUIET
    assert [mail.sequence for mail in mails(outgoing.tick(QUIET))] == [1, 2]
    outgoing.unbound()
    assert outgoing.due == float("inf")
    assert [mail.sequence for mail in mails(outgoing.rebound(7.0))] == [1, 2]


def test_storage_full_is_an_error_of_its_own() -> None:
    outgoing, _ = telling(1)
    (effect,) = outgoing.rejected("ben", Reject(EPOCH, 1, "storage_full", "no room"), 1.0)
    assert isinstance(effect, NotPosted)
    assert isinstance(effect.error, StorageFull)
