"""Rewinding, and saying something else instead, on the state machine."""

import pytest

from rostra.groupchat.inputs import Controlled
from rostra.protocol.chat import Control

from .desk import Desk
from .team import options


def test_a_rewind_marks_and_deletes_nothing_and_the_chat_goes_on_from_there() -> None:
    desk = Desk(options("a", "b", "c", max_rounds=20, stop='text("bad")'))
    for word in ("one", "two", "three"):
        desk.turn(word)
    desk.select()
    before = dict(desk.rows)
    usage = desk.machine.usage
    assert "no message 9" in desk.control("rewind", sequence=9)
    assert desk.control("rewind", sequence=2) == ""
    assert [message.text for message in desk.messages] == ["the task", "one"]
    assert {number: row.with_(rewound=0) for number, row in desk.rows.items()}.items() >= {
        number: row for number, row in before.items() if row.state != "asked"
    }.items()
    assert desk.machine.usage.tokens >= usage.tokens  # what was spent stays spent
    for _ in range(2):
        assert [message.text for message in desk.machine.messages] == ["the task", "one"]
        assert desk.machine.ledger.last_speaker == "a"
        desk.load()
    desk.turn("another two")
    ask = desk.asked[-1]
    assert (ask.member, ask.body.after, ask.body.sequence) == ("b", 0, 3)
    assert [message.text for message in desk.messages] == ["the task", "one", "another two"]


@pytest.mark.parametrize("crash_after", [None, 0, 1, 2, 3, 4, 5, 6])
def test_edit_and_continue_says_something_else_instead(crash_after: int | None) -> None:
    desk = Desk(options("a", "b", max_rounds=20))
    for word in ("one", "two"):
        desk.turn(word)
    control = Control(what="rewind", by="console-1", sequence=2, content="no, rather this", name="boss")
    desk.handle(Controlled(b"edit", control), crash_after=crash_after)
    if crash_after is not None:
        desk.load()
    if desk.machine.ledger.heeded:
        assert [(message.name, message.text) for message in desk.messages[2:]] == [("boss", "no, rather this")]
        desk.load()
        assert len(desk.messages) == 3
    desk.turn("three")
    assert [message.sequence for message in desk.messages] == [1, 2, 3, 4]
