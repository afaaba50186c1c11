"""The office: which letter goes to which connection, how many at once, and what becomes of those that come back."""

from rostra.broker.mail import office as office_module
from rostra.broker.mail.office import CREDIT
from rostra.broker.mail.operations import MAX_ATTEMPTS, Buried, Fail, Kept, Loaded, Remove
from rostra.protocol.mailing import next_round
from rostra.protocol.messages import Ack

from .letters import filled, handed, loads, numbered


def test_no_more_than_the_credit_is_unacknowledged() -> None:
    office, steps = filled(50)
    assert len(handed(steps)) == CREDIT == 32
    steps = office.acknowledged(b"1", Ack(5), 0.0)
    assert steps[0] == Remove([1, 2, 3, 4, 5])
    assert handed(steps) == [(b"1", number, number) for number in range(33, 38)]


def test_the_answer_to_a_load_for_an_earlier_connection_is_none_to_a_later_one() -> None:
    """It would begin in the middle of the mailbox, and what lies before would not be delivered."""
    office, _ = filled(office_module.AHEAD)
    (load,) = loads([step for number in (32, 64) for step in office.acknowledged(b"1", Ack(number), 0.0)])
    assert load.after == office_module.AHEAD
    office.left(b"1", 0.0, died=True)
    (fresh,) = loads(office.arrived("ben", b"2", 0.0))
    assert office.loaded(Loaded("ben", numbered(65), load.ticket), 0.0) == []
    assert handed(office.loaded(Loaded("ben", numbered(64, 65), fresh.ticket), 0.0)) == [(b"2", 1, 64), (b"2", 2, 65)]


def test_a_letter_that_kills_its_recipient_is_not_delivered_a_sixth_time() -> None:
    office, _ = filled(2)
    for number in range(2, 2 + MAX_ATTEMPTS):
        steps = [
            *office.arrived("ben", bytes([number]), 0.0),
            *office.left(bytes([number - 1]) if number > 2 else b"1", 0.0, died=True),
        ]
        assert any(isinstance(step, Fail) and step.number == 1 for step in steps)
    assert handed(steps) == [(bytes([number]), 1, 2)]
    assert office.buried(Buried("ben", 1), 0.0) == []


def test_what_a_full_connection_did_not_take_is_handed_over_again() -> None:
    office, _ = filled(5)
    office.undelivered(b"1", 4)
    office.undelivered(b"1", 3)
    assert handed(office.tick(1.0)) == [(b"1", 3, 3), (b"1", 4, 4), (b"1", 5, 5)]
    assert handed(office.tick(2.0)) == []
    office.undelivered(b"1", 99)
    office.undelivered(b"nobody", 1)
    assert handed(office.tick(3.0)) == []


def test_replicas_share_a_mailbox_and_what_one_had_goes_to_the_others() -> None:
    office, _ = filled(4)
    assert office.arrived("ben", b"2", 0.0) == []
    assert handed(office.kept(Kept(b"r", numbered(5)[0]), 0.0)) == [(b"2", 1, 5)]
    steps = office.left(b"1", 0.0, died=True)
    assert [step for step in steps if isinstance(step, Fail)] == [Fail(1, "the recipient died while it handled this letter")]
    assert handed(steps) == [(b"2", 2, 1), (b"2", 3, 2), (b"2", 4, 3), (b"2", 5, 4)]


def test_a_failed_letter_waits_before_it_comes_again_and_the_others_behind_it() -> None:
    office, _ = filled(3)
    steps = office.acknowledged(b"1", Ack(2, "no"), 0.0)
    assert steps == [Remove([1]), Fail(2, "no")]
    assert office.tick(office_module.RETRY_PAUSE / 2) == []
    assert handed(office.tick(office_module.RETRY_PAUSE)) == [(b"1", next_round(2), 2), (b"1", next_round(2) + 1, 3)]
    assert office.acknowledged(b"1", Ack(2, "no"), 1.0) == []  # said again
