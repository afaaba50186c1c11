"""Mail in the broker's core: what reaches the disk, what comes again, and whose death counts."""

from types import SimpleNamespace
from typing import Any

import pytest

from rostra.broker.core import Core
from rostra.broker.mail.desk import Desk
from rostra.broker.mail.operations import MAX_ATTEMPTS, Declined, Fail, Kept, Load, Loaded, Operation
from rostra.broker.mail.store import MailStore
from rostra.broker.memory import MemoryBroker
from rostra.broker.outputs import ToDisk, ToPeer
from rostra.protocol.frames import decode_head, encode_head
from rostra.protocol.mailing import OUT_OF_ORDER
from rostra.protocol.messages import Beat, Error, Header, Hello, Mail, Reject, Stored

from .letters import BOOT, EPOCH, letter


def test_a_sender_that_is_behind_is_told_once() -> None:
    sent: list[object] = []
    desk = Desk(lambda route, header, body, peer: sent.append(header), lambda operation: None)
    for number in (3, 4, 5):
        desk.stored([Declined(b"r", letter(number), OUT_OF_ORDER, "", 1)], 0.0)
    assert [(one.sequence, one.round) for one in sent if isinstance(one, Reject)] == [(3, 1)]
    desk.stored([Declined(b"r", letter(4), OUT_OF_ORDER, "", 2)], 0.0)
    assert len(sent) == 2


def test_what_one_commit_stored_is_confirmed_once_for_each_recipient_and_before_what_it_refused() -> None:
    sent: list[tuple[object, bytes]] = []
    desk = Desk(lambda route, header, body, peer: sent.append((header, peer)), lambda operation: None)
    cleo = [letter(1, "cleo"), letter(2, "cleo", epoch=b"f" * 16)]
    taken = [Kept(b"r", one) for one in (letter(1), letter(2), cleo[0], letter(3), letter(2), cleo[1])]
    desk.stored([*taken, Declined(b"r", letter(4), "mailbox_full", "", 0)], 0.0)
    assert [(type(one), one.sequence, one.epoch, peer) for one, peer in sent if isinstance(one, Stored | Reject)] == [
        (Stored, 3, EPOCH, b"ben"),
        (Reject, 4, EPOCH, b"ben"),
        (Stored, 1, EPOCH, b"cleo"),
        (Stored, 2, b"f" * 16, b"cleo"),
    ]


def bound(core: Core, name: str, route: bytes, boot: bytes = BOOT) -> None:
    core.received(route, b"", encode_head(Hello(name, boot)), b"")


@pytest.mark.parametrize(
    "mail",
    [
        Mail(b"short", 1),
        Mail(EPOCH, 0),
        Mail(EPOCH, 2**63),
        Mail(EPOCH, 1, previous=1),
        Mail(EPOCH, 1, previous=-1),
        Mail(EPOCH, 1, round=-1),
    ],
)
def test_a_letter_with_impossible_numbers_does_not_reach_the_disk(mail: Mail) -> None:
    core = Core(BOOT)
    bound(core, "ada", b"1")
    outputs = core.received(b"1", b"ben", encode_head(mail), b"x")
    assert not any(isinstance(output, ToDisk) for output in outputs)
    assert core.refused == 1


def test_a_delivery_that_the_connection_had_no_room_for_comes_again() -> None:
    core = Core(BOOT)
    store = MailStore(None)
    bound(core, "ada", b"1")

    def settled(outputs: list[Any]) -> list[ToPeer]:
        found = [output for output in outputs if isinstance(output, ToPeer)]
        for output in outputs:
            if isinstance(output, ToDisk):
                found += settled(core.stored(store.apply([output.operation])))
        return found

    settled(core.received(b"2", b"", encode_head(Hello("ben", BOOT)), b""))
    to_ben = [one for one in settled(core.received(b"1", b"ben", encode_head(Mail(EPOCH, 1)), b"x")) if one.route == b"2"]
    assert isinstance(decode_head(to_ben[0].head), Mail)
    core.congested(to_ben[0])
    again = [one for one in settled(core.tick()) if one.route == b"2"]
    assert [one.head for one in again] == [one.head for one in to_ben]
    store.close()


def test_an_older_process_that_wakes_does_not_take_the_name_back() -> None:
    """It was stopped, its connection cut, its name taken. It greets again before it has heard of that."""
    core = Core(BOOT)
    bound(core, "ada", b"1", b"1" * 16)
    bound(core, "ada", b"2", b"2" * 16)
    (answer,) = core.received(b"3", b"", encode_head(Hello("ada", b"1" * 16)), b"")
    assert isinstance(answer, ToPeer)
    assert decode_head(answer.head) == Error(b"", "superseded", "a newer process is ada now")
    assert [one.boot for one in core.registry.holder("ada")] == [b"2" * 16]


def test_a_newer_process_of_the_name_counts_against_the_letter_that_the_older_had_in_hand() -> None:
    """Whoever is killed and back at once is superseded before it is missed; a letter that kills must die of it all the same."""
    core = Core(BOOT)
    store = MailStore(None)

    def settle(outputs: list[Any]) -> list[Operation]:
        asked = [output.operation for output in outputs if isinstance(output, ToDisk)]
        return asked + [more for one in asked for more in settle(core.stored(store.apply([one])))]

    bound(core, "ada", b"1")
    settle(core.received(b"2", b"", encode_head(Hello("ben", b"0" * 16)), b""))
    settle(core.received(b"1", b"ben", encode_head(Mail(EPOCH, 1)), b"poison"))
    for number in range(1, MAX_ATTEMPTS + 1):
        route, boot = bytes([100 + number]), bytes([number]) * 16
        asked = settle(core.received(route, b"", encode_head(Hello("ben", boot)), b""))
        assert any(isinstance(one, Fail) for one in asked)
    assert settle(core.received(b"1", b"", encode_head(Beat(1)), b"")) == []
    assert store.apply([Load("ben", 0, 10)]) == [Loaded("ben", [])]
    store.close()


def test_no_delivery_overtakes_another_when_a_connection_is_found_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken back from the dead replica must not be sent before what was to be sent already."""
    broker = MemoryBroker()
    sent: list[Header] = []
    broker._links = {b"2": SimpleNamespace(_message=lambda peer, head, body: sent.append(decode_head(head)))}  # type: ignore[dict-item]
    wanted = [ToPeer(b"1", b"", encode_head(Beat(1))), ToPeer(b"2", b"", encode_head(Beat(2)))]
    monkeypatch.setattr(broker.core, "unreachable", lambda output: [ToPeer(b"2", b"", encode_head(Beat(3)))])
    broker._emit(list(wanted))
    assert sent == [Beat(2), Beat(3)]
