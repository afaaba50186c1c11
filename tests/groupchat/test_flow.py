"""Flows: who speaks after whom, as a function of what was said so far; and flows held by a coordinator."""

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest

from rostra.groupchat import BadOptions, ChatOptions, Edge, Flow, GroupChat
from rostra.groupchat.flow import Move, problem, ready
from rostra.groupchat.rules import options_of, rules_of
from rostra.protocol import COORDINATOR, ChatMessage, Member, Turn, TurnReply
from rostra.protocol.chat import ChatRef, Why

from .team import Join, Open, Speaker, hold, options, said

NAMES = ("a", "b", "c", "d")


class Walk:
    """Turns in a flow, one round after the other."""

    def __init__(self, flow: Flow, names: tuple[str, ...] = NAMES) -> None:
        assert problem(flow, names) == ""
        self.flow, self.names = flow, names
        self.moves: list[Move] = []
        self._numbers = itertools.count(1)

    @property
    def next(self) -> tuple[str, ...]:
        return ready(self.flow, self.moves, self.names).names

    @property
    def need(self) -> int:
        return ready(self.flow, self.moves, self.names).need

    def round(self, **texts: str) -> tuple[str, ...]:
        """These speak at once; returns who speaks then. `-` is a pass, `!` a failure, `~` one that was not waited for."""
        begun = next(self._numbers)
        states = {"-": "passed", "!": "failed", "~": "dropped"}
        for name, text in texts.items():
            state = states.get(text, "done")
            message = ChatMessage(content=text, name=name) if state == "done" else None
            self.moves.append(Move(begun, name, state, message))  # type: ignore[arg-type]
        return self.next


def flow(*edges: tuple[str, str] | Edge, **rest: object) -> Flow:
    return Flow(tuple(edge if isinstance(edge, Edge) else Edge(*edge) for edge in edges), **rest)  # type: ignore[arg-type]


@pytest.mark.semantics("S3.7")
def test_members_follow_each_other_and_the_end_is_the_end() -> None:
    walk = Walk(flow(("a", "b"), ("b", "c")))
    assert walk.next == ("a",)
    assert walk.round(a="one") == ("b",)
    assert walk.round(b="two") == ("c",)
    assert walk.round(c="three") == ()


@pytest.mark.semantics("S3.7")
def test_several_follow_at_once_and_a_join_waits_for_all_of_them() -> None:
    walk = Walk(flow(Edge("a", ("b", "c")), ("b", "d"), ("c", "d")))
    assert walk.round(a="go") == ("b", "c")
    assert walk.need == 0
    assert walk.round(b="x") == ("c",)
    assert walk.round(c="y") == ("d",)
    assert walk.round(d="done") == ()


@pytest.mark.semantics("S3.7")
@pytest.mark.parametrize(("join", "need"), [("any", 1), (2, 2), (3, 0), ("all", 0)])
def test_a_join_may_need_any_or_some_of_those_who_are_asked_at_once(join: object, need: int) -> None:
    names = ("a", "b", "c", "d", "e")
    fan = flow(Edge("a", ("b", "c", "d")), ("b", "e"), ("c", "e"), ("d", "e"), join={"e": join})
    walk = Walk(fan, names)
    assert walk.round(a="go") == ("b", "c", "d")
    assert walk.need == need


def test_who_was_not_waited_for_does_not_lead_on_and_is_not_asked_again() -> None:
    walk = Walk(flow(Edge("a", ("b", "c")), ("b", "d"), ("c", "d"), join={"d": "any"}))
    walk.round(a="go")
    assert walk.round(b="x", c="~") == ("d",)
    assert walk.round(d="done") == ()


def test_an_any_join_speaks_once_for_all_that_came_together() -> None:
    walk = Walk(flow(Edge("a", ("b", "c")), ("b", "d"), ("c", "d"), ("c", "a"), start=("a",), join={"d": "any"}))
    walk.round(a="go")
    assert walk.round(b="x", c="y") == ("a", "d")
    assert walk.round(a="again", d="seen") == ("b", "c")


@pytest.mark.semantics("S3.7")
def test_conditions_choose_the_way_and_otherwise_is_taken_when_none_holds() -> None:
    ways = flow(Edge("a", "b", 'text("left")'), Edge("a", "c", 'text("right") & text("now")'), Edge("a", "d", otherwise=True))
    for text, wanted in (("left", ("b",)), ("right now, left", ("b", "c")), ("right", ("d",)), ("?", ("d",)), ("-", ("d",))):
        assert Walk(ways).round(a=text) == wanted


@pytest.mark.semantics("S3.7")
def test_a_loop_ends_when_its_condition_does_not_hold_any_more() -> None:
    loop = flow(("a", "b"), Edge("b", "a", 'text("again")'), Edge("b", "c", otherwise=True), start=("a",), join={"a": "any"})
    walk = Walk(loop)
    for _ in range(3):
        walk.round(a="draft")
        assert walk.round(b="again") == ("a",)
    walk.round(a="draft")
    assert walk.round(b="good") == ("c",)
    assert walk.round(c="printed") == ()


@pytest.mark.semantics("S3.7")
def test_a_loop_ends_when_it_was_gone_through_often_enough() -> None:
    walk = Walk(flow(("a", "b"), Edge("b", "a", 'text("again")', times=2), Edge("b", "c", otherwise=True), start=("a",)))
    for wanted in ("a", "a", "c"):
        walk.round(a="draft")
        assert walk.round(b="again") == (wanted,)


def test_who_failed_is_asked_once_more_and_then_nobody_waits_for_it() -> None:
    walk = Walk(flow(("a", "b"), ("b", "c")))
    walk.round(a="go")
    assert walk.round(b="!") == ("b",)
    assert walk.round(b="!") == ()
    assert ready(walk.flow, walk.moves, NAMES).failed == ("b",)


def test_who_failed_among_several_is_asked_again_alone() -> None:
    walk = Walk(flow(Edge("a", ("b", "c")), ("b", "d"), ("c", "d")))
    walk.round(a="go")
    assert walk.round(b="!", c="y") == ("b",)
    assert walk.round(b="x") == ("d",)


def test_a_member_whom_an_operator_wanted_to_speak_leads_on_all_the_same() -> None:
    walk = Walk(flow(("a", "b"), ("b", "c")))
    assert walk.round(b="out of turn") == ("a", "c")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (flow(("a", "x")), "'x' is no member"),
        (flow(Edge("a", "b", "text(")), "when: "),
        (flow(Edge("a", "b", 'text("x")', otherwise=True)), "both"),
        (flow(("a", "b"), ("b", "a")), "say who speaks first"),
        (flow(("a", "b"), ("b", "c"), ("c", "b")), "b can never speak: it waits for 2 of the edges from a, c"),
        (flow(("a", "b"), join={"b": 2}), "b joins 2 of 1 edges"),
        (flow(), "it has no edges"),
        (flow(("a", "b"), start=("y",)), "'y' is no member"),
        (flow(Edge("a", ())), "leads nowhere"),
    ],
)
def test_a_flow_that_cannot_be_followed_is_refused(wrong: Flow, why: str) -> None:
    assert why in problem(wrong, NAMES)
    with pytest.raises(BadOptions, match="flow: "):
        GroupChat(NAMES, selection="flow", flow=wrong)


def test_a_flow_is_needed_for_the_selection_flow_and_is_data() -> None:
    with pytest.raises(BadOptions, match="flow needs a flow"):
        GroupChat(NAMES, selection="flow")
    made = GroupChat(NAMES, selection="flow", flow=flow(Edge("a", ("b", "c"), times=2), join={"c": "any"})).options
    again = options_of(rules_of(made), made.members)
    assert again.flow == made.flow


def short(message: ChatMessage) -> bool:
    return len(message.text) < 5


@pytest.mark.semantics("S3.7")
def test_an_edge_may_ask_a_function_about_what_was_said() -> None:
    graph = flow(Edge("a", "b", when=short), Edge("a", "c", otherwise=True))
    walk = Walk(graph)
    assert walk.round(a="yes") == ("b",)
    walk = Walk(graph)
    assert walk.round(a="by no means") == ("c",)
    walk = Walk(graph)
    assert walk.round(a="-") == ("c",)


async def never(_: ChatMessage) -> bool:
    raise AssertionError


@pytest.mark.parametrize(
    ("when", "why"),
    [
        (never, "an async function is no condition"),
        (7, "neither a text nor a function"),
        ("module:function", "is a name: give the function itself"),
    ],
)
def test_what_is_no_function_of_a_message_is_refused(when: object, why: str) -> None:
    with pytest.raises(BadOptions, match=why):
        GroupChat(NAMES, selection="flow", flow=flow(Edge("a", "b", when=when)))


def test_of_the_functions_of_a_flow_the_record_has_the_names() -> None:
    made = GroupChat(NAMES, selection="flow", flow=flow(Edge("a", "b", when=short))).options
    again = options_of(rules_of(made), made.members).flow
    assert again is not None
    assert again.edges[0].function == f"{__name__}:short"
    assert problem(again, NAMES) == ""


@pytest.mark.semantics("S3.7")
async def test_a_coordinator_asks_the_functions_once_for_each_turn_and_one_that_fails_does_not_hold(
    join: Join, held: Open
) -> None:
    asked: list[str] = []

    def again(message: ChatMessage) -> bool:
        asked.append(message.text)
        return len(asked) < 2

    def wrong(message: ChatMessage) -> bool:
        raise ValueError(f"what is {message.text}?")

    graph = flow(
        ("a", "b"),
        Edge("b", "a", when=again),
        Edge("b", "c", when=wrong),
        Edge("b", "d", otherwise=True),
        start=("a",),
        join={"a": "any"},
    )
    for name in NAMES:
        Speaker(await join(name))
    await held(options(*NAMES, selection="flow", flow=graph, max_rounds=20))
    console = await join("console-1")
    result, events = await hold(console)
    assert (result.outcome, result.stop_reason) == ("ended", "the flow is complete")
    assert [name for name, _ in said(events)] == ["user", "a", "b", "a", "b", "d"]
    assert len(asked) == 2
    whys = await console.request(COORDINATOR, "chat.why", ChatRef(chat="c1"), reply=list[Why])
    fallbacks = [why.fallback for why in whys if why.fallback]
    assert len(fallbacks) == 2
    assert all("wrong raised ValueError: what is b at" in fallback for fallback in fallbacks)


async def test_a_function_that_does_not_return_holds_up_nobody_for_long(join: Join, held: Open) -> None:
    release = threading.Event()

    def slow(_: ChatMessage) -> bool:
        return release.wait(30)

    graph = flow(Edge("a", "b", when=slow), Edge("a", "c", otherwise=True))
    for name in NAMES:
        Speaker(await join(name))
    await held(options(*NAMES, selection="flow", flow=graph, turn_seconds=1))
    try:
        result, events = await hold(await join("console-1"))
    finally:
        release.set()
    assert [name for name, _ in said(events)] == ["user", "a", "c"]
    assert result.stop_reason == "the flow is complete"


async def test_a_coordinator_holds_a_flow(join: Join, held: Open) -> None:
    graph = flow(Edge("a", ("b", "c")), ("b", "d"), ("c", "d"), Edge("d", "a", 'text("once more")'), start=("a",))
    rounds: Iterator[str] = iter(["once more", "that is all"])

    def judge(_: Turn) -> str:
        return next(rounds)

    speakers = {name: Speaker(await join(name)) for name in NAMES[:3]}
    Speaker(await join("d"), judge)
    await held(options(*NAMES, selection="flow", flow=graph, max_rounds=20))
    result, events = await hold(await join("console-1"))
    assert (result.outcome, result.stop_reason) == ("ended", "the flow is complete")
    names = [name for name, _ in said(events)]
    assert names == ["user", "a", "b", "c", "d", "a", "b", "c", "d"]
    assert speakers["b"].turns[0].messages == speakers["c"].turns[0].messages
    whys = [event.why for event in events if event.type == "selected"]
    assert whys[:4] == ["begins the flow", "follows a in the flow", "follows a in the flow", "follows b and c in the flow"]


async def test_where_any_is_enough_the_first_answer_goes_on(join: Join, held: Open) -> None:
    never = asyncio.Event()

    async def slow(_: object) -> TurnReply:
        await never.wait()
        raise AssertionError

    graph = flow(Edge("a", ("b", "c")), ("b", "d"), ("c", "d"), join={"d": "any"})
    for name in NAMES:
        Speaker(await join(name), slow if name == "b" else None)
    await held(options(*NAMES, selection="flow", flow=graph))
    result, events = await hold(await join("console-1"))
    assert [name for name, _ in said(events)] == ["user", "a", "c", "d"]
    assert result.stop_reason == "the flow is complete"


def test_only_members_of_the_flow_need_to_be_in_it() -> None:
    made = ChatOptions(members=tuple(Member(name=name) for name in (*NAMES, "aside")), selection="flow", flow=flow(("a", "b")))
    assert problem(made.flow or flow(), [member.name for member in made.members]) == ""
