"""The recipient's side of mail: one letter at a time, each handled once, acknowledged under its own number."""

from rostra.protocol.effects import Effect, Lettered, Send
from rostra.protocol.frames import decode_head, encode_head
from rostra.protocol.mailing import Incoming, next_round
from rostra.protocol.messages import Ack, Mail, Welcome
from rostra.protocol.session import Session

from .letters import BOOT, EPOCH, filled, handed


def arriving(incoming: Incoming, delivery: int, sequence: int, *, epoch: bytes = EPOCH, sender: str = "ada") -> list[Effect]:
    return incoming.delivered(sender, Mail(epoch, sequence, delivery=delivery, attempt=1), b"x")


def acks(effects: list[Effect]) -> list[Ack]:
    found = [decode_head(effect.head) for effect in effects if isinstance(effect, Send)]
    return [header for header in found if isinstance(header, Ack)]


def test_letters_are_handled_one_at_a_time_and_acknowledged() -> None:
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    assert isinstance(first, Lettered)
    assert arriving(incoming, 2, 2) == []
    effects = incoming.done(first)
    assert acks(effects) == [Ack(1)]
    assert isinstance(effects[-1], Lettered)
    assert effects[-1].sequence == 2


def test_a_letter_that_failed_comes_before_those_behind_it() -> None:
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    arriving(incoming, 2, 2)
    assert isinstance(first, Lettered)
    assert acks(incoming.failed(first, "no\ud800")) == [Ack(1, "no?")]
    assert arriving(incoming, 3, 3) == []  # sent before the failure was known
    (again,) = arriving(incoming, next_round(1), 1)
    assert isinstance(again, Lettered)
    assert again.sequence == 1


def test_a_letter_in_hand_is_not_handed_over_twice_when_the_connection_changes() -> None:
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    incoming.rebound()
    assert arriving(incoming, 1, 1) == []
    assert isinstance(first, Lettered)
    assert acks(incoming.done(first)) == [Ack(1)]


def test_what_was_handled_and_not_acknowledged_is_acknowledged_and_not_handled_again() -> None:
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    assert isinstance(first, Lettered)
    incoming.done(first)
    incoming.rebound()
    assert acks(arriving(incoming, 1, 1)) == [Ack(1)]


def test_a_replica_handles_an_early_letter_that_comes_to_it_after_a_later_one() -> None:
    """The other replica died with letter 1 in its hands. To take it for handled would lose it."""
    incoming = Incoming()
    (second,) = arriving(incoming, 1, 2)
    assert isinstance(second, Lettered)
    incoming.done(second)
    (first,) = arriving(incoming, 2, 1)
    assert isinstance(first, Lettered)


def test_a_recipient_that_greets_twice_acknowledges_nothing_that_it_has_not_read() -> None:
    """The deliveries after the first greeting are numbered as those after the second, but may be other letters."""
    office, steps = filled(3)
    assert handed(steps) == [(b"1", 1, 1), (b"1", 2, 2), (b"1", 3, 3)]
    again = office.greeted(b"1", 0.0)
    assert handed(again) == [(b"1", next_round(1), 1), (b"1", next_round(1) + 1, 2), (b"1", next_round(1) + 2, 3)]
    assert office.acknowledged(b"1", Ack(2), 0.0) == []
    incoming = Incoming()
    (first,) = arriving(incoming, 1, 1)
    arriving(incoming, 2, 2)
    assert arriving(incoming, next_round(1) + 1, 9) == []
    assert arriving(incoming, next_round(1), 1) == []  # it is in hand
    assert isinstance(first, Lettered)
    assert acks(incoming.done(first)) == [Ack(next_round(1))]


def test_what_is_delivered_before_the_welcome_is_for_another_numbering() -> None:
    session = Session("ben")
    session.connected(0.0)
    assert session.received(b"ada", encode_head(Mail(EPOCH, 1, delivery=1)), b"x", 0.0) == []


def test_what_is_handled_between_two_connections_is_not_acknowledged_under_its_old_number() -> None:
    """Over the new connection that number may be another letter's, which nobody has read."""
    session = Session("ben")
    session.connected(0.0)
    session.received(b"", encode_head(Welcome("ben", BOOT, 15_000)), b"", 0.0)
    (first,) = session.received(b"ada", encode_head(Mail(EPOCH, 1, delivery=1)), b"x", 0.0)
    assert isinstance(first, Lettered)
    session.disconnected()
    session.connected(1.0)
    assert session.mail_done(first) == []


def test_a_replica_does_not_acknowledge_what_comes_before_the_letter_in_hand() -> None:
    """The letter in hand comes again over a new connection, behind one that another replica had when it died."""
    incoming = Incoming()
    (second,) = arriving(incoming, 1, 2)
    assert isinstance(second, Lettered)
    incoming.rebound()
    assert arriving(incoming, 1, 1) == []
    assert arriving(incoming, 2, 2) == []
    (first,) = incoming.done(second)
    assert isinstance(first, Lettered)
    assert first.sequence == 1
    assert acks(incoming.done(first)) == [Ack(1), Ack(2)]


def test_the_newest_acknowledgement_is_said_again() -> None:
    incoming = Incoming()
    assert incoming.again() == []
    (first,) = arriving(incoming, 1, 1)
    assert isinstance(first, Lettered)
    effects = incoming.done(first)
    assert incoming.again() == effects
    incoming.rebound()
    assert incoming.again() == []
