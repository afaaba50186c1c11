"""Rounds: several members asked at once, on the state machine; and members that pass."""

import random
from itertools import permutations
from typing import Any

import pytest

from rostra.groupchat import ChatOptions, Transitions
from rostra.groupchat.glance import Phase
from rostra.groupchat.inputs import Answered, Ask, Failed, Said, Select, Selected
from rostra.groupchat.replaying import replay
from rostra.groupchat.selection import Chosen, Round
from rostra.protocol import ChatMessage, Member, TurnReply, Usage
from rostra.protocol.chat import Why

from .desk import Desk

ANN, BOB, CID = "ann", "bob", "cid"


def desk(**rest: Any) -> Desk:
    members = tuple(Member(name=name) for name in (ANN, BOB, CID))
    return Desk(ChatOptions(members=members, selection="round_robin", **rest))


def begin(desk: Desk, *names: str, need: int = 0) -> None:
    """Several are asked at once."""
    select = desk.outstanding
    assert isinstance(select, Select)
    desk.outstanding = None
    choices = [
        Chosen(name, Why(sequence=select.situation.sequence, speaker=name, reason="all at once", method="callable"))
        for name in names
    ]
    desk.handle(Selected(Round(tuple(choices), need)))


def asked(desk: Desk) -> dict[str, Ask]:
    return {ask.member: ask for ask in desk.waiting.values()}


def says(desk: Desk, name: str, reply: str | TurnReply) -> None:
    ask = asked(desk)[name]
    del desk.waiting[ask.turn]
    if isinstance(reply, str):
        reply = TurnReply(message=ChatMessage(content=reply), usage=(Usage(completion_tokens=1),))
    desk.handle(Answered(ask.turn, reply))


def fails(desk: Desk, name: str, error: str = "it broke") -> None:
    ask = asked(desk)[name]
    del desk.waiting[ask.turn]
    desk.handle(Failed(ask.turn, "final", error))


def texts(desk: Desk) -> list[str]:
    return [f"{message.name}: {message.text}" for message in desk.messages[1:]]


@pytest.mark.semantics("S3.8")
@pytest.mark.parametrize("order", list(permutations([ANN, BOB, CID])))
def test_who_is_asked_at_once_stands_in_the_order_of_asking_whoever_answers_first(order: tuple[str, ...]) -> None:
    chat = desk()
    begin(chat, ANN, BOB, CID)
    assert list(asked(chat)) == [ANN, BOB, CID]
    for name in order:
        assert texts(chat) == []
        says(chat, name, f"I am {name}")
    assert texts(chat) == ["ann: I am ann", "bob: I am bob", "cid: I am cid"]
    assert [message.sequence for message in chat.messages] == [1, 2, 3, 4]
    assert chat.closed == [1, 2, 3, 4]
    assert isinstance(chat.outstanding, Select)
    assert replay(chat.script) == []


def test_the_rows_of_a_round_are_journalled_together() -> None:
    chat = desk()
    begin(chat, ANN, CID)
    assert [(row.speaker, row.state) for row in chat.rows.values()][1:] == [(ANN, "asked"), (CID, "asked")]
    assert [row.why.together for row in chat.rows.values() if row.why] == [(ANN, CID)] * 2


def test_a_round_that_is_loaded_again_asks_only_who_has_not_answered() -> None:
    chat = desk()
    begin(chat, ANN, BOB, CID)
    turns = {name: ask.turn for name, ask in asked(chat).items()}
    says(chat, BOB, "early")
    chat.load()
    assert {name: ask.turn for name, ask in asked(chat).items()} == {ANN: turns[ANN], CID: turns[CID]}
    says(chat, CID, "last")
    says(chat, ANN, "first")
    assert texts(chat) == ["ann: first", "bob: early", "cid: last"]
    assert chat.machine.usage.completion_tokens == 3
    assert replay(chat.script) == []


def test_what_all_had_said_when_the_coordinator_died_is_written_by_the_next_one() -> None:
    chat = desk()
    begin(chat, ANN, BOB)
    says(chat, BOB, "two")
    ask = asked(chat)[ANN]
    chat.handle(Answered(ask.turn, TurnReply(message=ChatMessage(content="one"))), crash_after=0)
    chat.load()
    says(chat, ANN, "one")
    assert texts(chat) == ["ann: one", "bob: two"]


def test_a_member_of_a_round_is_shown_next_what_the_others_said_in_it() -> None:
    chat = desk()
    begin(chat, ANN, BOB, CID)
    for name in (CID, BOB, ANN):
        says(chat, name, f"I am {name}")
    for name in (ANN, BOB, CID):
        turn = chat.machine.turn_for(name)
        assert turn.after == 1
        assert [message.name for message in turn.messages] == [ANN, BOB, CID]


def test_in_a_round_nobody_is_shown_what_the_others_say_in_it_and_each_is_promised_a_place() -> None:
    chat = desk()
    begin(chat, ANN, BOB, CID)
    says(chat, ANN, "one")
    chat.load()
    for name, place in ((BOB, 3), (CID, 4)):
        body = asked(chat)[name].body
        assert ([message.name for message in body.messages], body.sequence) == (["user"], place)


def test_who_fails_in_a_round_leaves_no_gap() -> None:
    chat = desk(turn_retries=0)
    begin(chat, ANN, BOB, CID)
    fails(chat, ANN)
    says(chat, CID, "c")
    says(chat, BOB, "b")
    assert texts(chat) == ["bob: b", "cid: c"]
    assert [row.state for row in chat.rows.values()] == ["done", "failed", "done", "done"]
    assert [event.type for event in chat.events if event.speaker == ANN] == ["selected", "failed"]
    assert replay(chat.script) == []


def test_a_failed_turn_of_a_round_is_tried_again_beside_the_others() -> None:
    chat = desk(turn_retries=1)
    begin(chat, ANN, BOB)
    ask = asked(chat)[ANN]
    chat.handle(Failed(ask.turn, "raised", "hm"))
    assert chat.asked[-1].member == ANN
    assert chat.asked[-1].pause > 0
    says(chat, BOB, "b")
    says(chat, ANN, "a")
    assert texts(chat) == ["ann: a", "bob: b"]
    assert chat.rows[2].attempts == 2


@pytest.mark.semantics("S3.7")
def test_when_enough_have_answered_the_others_are_not_waited_for() -> None:
    chat = desk()
    begin(chat, ANN, BOB, CID, need=2)
    turn = asked(chat)[BOB].turn
    says(chat, CID, "c")
    says(chat, ANN, "a")
    assert texts(chat) == ["ann: a", "cid: c"]
    assert [row.state for row in chat.rows.values()] == ["done", "done", "cancelled", "done"]
    assert (chat.waiting, chat.withdrawn) == ({}, [BOB])
    chat.handle(Answered(turn, TurnReply(message=ChatMessage(content="too late"))))
    assert chat.rows[5].state == "late"
    assert replay(chat.script) == []


def test_a_round_has_no_more_turns_than_there_may_be_messages() -> None:
    chat = desk(max_rounds=3)
    begin(chat, ANN, BOB, CID)
    assert list(asked(chat)) == [ANN, BOB]
    says(chat, BOB, "b")
    says(chat, ANN, "a")
    assert chat.result is not None
    assert (chat.result.outcome, chat.result.messages) == ("limit", 3)


def test_a_stop_condition_is_looked_at_for_every_message_of_a_round_and_all_of_it_is_kept() -> None:
    chat = desk(stop='text("DONE")')
    begin(chat, ANN, BOB)
    says(chat, ANN, "DONE")
    assert chat.result is None
    says(chat, BOB, "b")
    assert texts(chat) == ["ann: DONE", "bob: b"]
    assert chat.result is not None
    assert chat.result.stop_reason == "ann said 'DONE'"
    assert replay(chat.script) == []


def test_a_chat_that_is_stopped_in_the_midst_of_a_round_keeps_what_was_said() -> None:
    chat = desk()
    begin(chat, ANN, BOB, CID)
    says(chat, BOB, "b")
    assert chat.control("stop", now=True) == ""
    assert texts(chat) == ["bob: b"]
    assert [row.state for row in chat.rows.values()][1:4] == ["failed", "done", "failed"]
    assert chat.result is not None
    assert chat.result.messages == 2
    assert replay(chat.script) == []


def test_one_of_several_is_skipped_and_the_others_go_on() -> None:
    chat = desk()
    begin(chat, ANN, BOB, CID)
    assert "say whom" in chat.control("skip")
    assert chat.control("skip", agent=BOB) == ""
    assert list(asked(chat)) == [ANN, CID]
    assert chat.withdrawn == [BOB]
    says(chat, CID, "c")
    says(chat, ANN, "a")
    assert texts(chat) == ["ann: a", "cid: c"]
    assert chat.rows[3].state == "failed"
    assert replay(chat.script) == []


def test_a_pause_now_takes_back_who_has_not_answered_and_writes_what_was_said() -> None:
    chat = desk()
    begin(chat, ANN, BOB)
    says(chat, BOB, "b")
    assert chat.control("pause", now=True) == ""
    assert texts(chat) == ["bob: b"]
    assert chat.machine.phase is Phase.PAUSED
    assert [row.state for row in chat.rows.values()][1:3] == ["cancelled", "done"]
    assert replay(chat.script) == []


def test_a_round_is_one_step() -> None:
    chat = desk()
    assert chat.control("pause") == ""
    assert chat.control("step") == ""
    begin(chat, ANN, BOB)
    says(chat, ANN, "a")
    assert list(asked(chat)) == [BOB]
    says(chat, BOB, "b")
    assert chat.machine.phase is Phase.PAUSED


def test_what_a_person_says_in_the_midst_of_a_round_comes_after_it() -> None:
    chat = desk()
    begin(chat, ANN, BOB)
    says(chat, ANN, "a")
    chat.handle(Said(b"s" * 16, "user", "hello"))
    says(chat, BOB, "b")
    assert texts(chat) == ["ann: a", "bob: b", "user: hello"]
    assert replay(chat.script) == []


def test_a_rewind_in_the_midst_of_a_round_takes_all_of_it_back() -> None:
    chat = desk()
    chat.turn("x")
    begin(chat, ANN, BOB)
    says(chat, ANN, "a")
    assert chat.control("rewind", sequence=2) == ""
    assert texts(chat) == ["ann: x"]
    assert replay(chat.script) == []


def test_silence_in_a_round_ends_nothing() -> None:
    chat = desk()
    begin(chat, ANN, BOB)
    says(chat, ANN, TurnReply(reason="nothing to add"))
    says(chat, BOB, "b")
    assert (texts(chat), chat.result) == (["bob: b"], None)


PASSED = TurnReply(passed=True)


@pytest.mark.semantics("S3.8")
def test_a_chat_ends_when_everybody_passes_in_a_row() -> None:
    chat = desk()
    chat.turn(PASSED)
    chat.turn(PASSED)
    chat.turn("wait")
    for _ in range(3):
        assert chat.result is None
        chat.turn(PASSED)
    assert chat.result is not None
    assert (chat.result.outcome, chat.result.stop_reason) == ("ended", "everybody passed")
    assert texts(chat) == ["cid: wait"]
    assert [event.speaker for event in chat.events if event.type == "passed"] == [ANN, BOB, ANN, BOB, CID]
    assert replay(chat.script) == []


def test_who_passes_is_not_asked_again_before_somebody_has_spoken() -> None:
    chat = desk(transitions=Transitions(allowed={ANN: (ANN, BOB), BOB: (ANN, BOB), CID: (ANN,)}))
    chat.turn("a")
    begin(chat, ANN)
    says(chat, ANN, PASSED)
    assert isinstance(chat.outstanding, Select)
    assert chat.outstanding.situation.passed == (ANN,)
    chat.select()
    assert list(asked(chat)) == [BOB]


def test_when_only_those_may_speak_who_have_passed_the_chat_ends() -> None:
    chat = desk(transitions=Transitions(allowed={ANN: (BOB,), BOB: (ANN,), CID: (ANN,)}))
    chat.turn("a")
    chat.turn(PASSED)
    chat.turn(PASSED)
    chat.select()
    assert chat.result is not None
    assert chat.result.stop_reason == "everyone who could speak passed: bob"


def test_the_one_word_pass_is_a_pass_where_the_chat_says_so() -> None:
    chat = desk(passes=True)
    assert "PASS" in chat.machine.turn_for(ANN).introduction
    chat.turn(" Pass.")
    chat.turn("I pass on that")
    assert texts(chat) == ["bob: I pass on that"]
    plain = desk()
    plain.turn("PASS")
    assert texts(plain) == ["ann: PASS"]


def test_passes_are_known_after_a_restart() -> None:
    chat = desk()
    for _ in range(2):
        chat.turn(PASSED)
    chat.load()
    chat.turn(PASSED)
    assert chat.result is not None
    assert chat.result.stop_reason == "everybody passed"


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_in_rounds_the_record_stays_whole_and_plays_again(seed: int) -> None:
    chance, chat = random.Random(seed), desk(max_rounds=12, turn_retries=0)
    while chat.result is None:
        if isinstance(chat.outstanding, Select):
            names = chance.sample([ANN, BOB, CID], chance.randint(1, 3))
            begin(chat, *names, need=chance.randint(0, len(names)))
            continue
        name = chance.choice(list(asked(chat)))
        match chance.randrange(8):
            case 0:
                chat.load()
            case 1:
                fails(chat, name)
            case 2:
                says(chat, name, PASSED)
            case 3 if len(asked(chat)) > 1:
                assert chat.control("skip", agent=name) == ""
            case 4:
                chat.handle(Said(chance.randbytes(16), "user", "aside"))
            case _:
                says(chat, name, f"{name} {chance.random()}")
    assert [message.sequence for message in chat.messages] == list(range(1, len(chat.messages) + 1))
    assert not any(row.open for row in chat.rows.values())
    assert replay(chat.script) == []
