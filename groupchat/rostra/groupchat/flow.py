"""A flow: who speaks after whom as a graph of edges, with fan-out, joins, conditions, and loops that end. Pure.

An edge fires when its source has spoken (or passed) and its condition holds; whoever speaks then is who has been joined by enough
of the edges that lead to it. Everything follows from the turns so far, so that a restart changes nothing.
"""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

import msgspec

from rostra.protocol import ChatMessage

from .conditions import Condition, Watch
from .errors import StopError
from .facts import SECOND_CHANCE, Facts
from .stop import parse

Join = Literal["all", "any"] | int
Function = Callable[[ChatMessage], object]
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")


def function_of(when: str) -> str:
    """The `module:function` that a condition is; empty: it is an expression, or nothing."""
    return when.strip() if _REFERENCE.match(when.strip()) else ""


class Edge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from", "target": "to"}):
    """After `source`, `target` (or several): with `when`, only if it holds for what was said.

    `when`: an expression as for `stop`, or a plain function of the message that must depend on nothing else, as it is asked again
    after a restart; in a team file, and on record, that is its `module:function`. `otherwise`: only if no edge of the source with
    a condition fires. `times`: this often at most; 0: always.
    """

    source: str
    target: str | tuple[str, ...]
    when: Any = ""
    otherwise: bool = False
    times: int = 0

    @property
    def function(self) -> Function | str:
        """The function that `when` is, or that it names; empty: it is none."""
        if not isinstance(self.when, str):
            function: Function = self.when
            return function
        return function_of(self.when)

    @property
    def targets(self) -> tuple[str, ...]:
        """All members it leads to."""
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)


class Flow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`start`: who speaks first; empty: to whom no edge leads. `join`: how many of the edges that lead to a member must have
    fired before it speaks: `all` (the default), `any`, or a number.
    """

    edges: tuple[Edge, ...]
    start: tuple[str, ...] = ()
    join: dict[str, Join] = {}


class Move(msgspec.Struct, frozen=True):
    """What came of one turn. `begun`: the number of the first row of its round."""

    begun: int
    speaker: str
    state: Literal["done", "passed", "failed", "dropped"]
    """dropped: it was not waited for, as enough of the others had answered."""
    message: ChatMessage | None = None
    place: int = 0
    """How many messages there were then, its own included."""


class Ready(msgspec.Struct, frozen=True):
    """Who speaks next, all at once; nobody: the flow is complete, or `failed` tells who could not be made to speak."""

    names: tuple[str, ...]
    after: dict[str, tuple[str, ...]] = {}
    """Whose words led to each of them."""
    need: int = 0
    """How many of them must answer; 0: all."""
    failed: tuple[str, ...] = ()


class _Arrow(msgspec.Struct, frozen=True):
    """An edge to one member."""

    source: str
    target: str
    when: Condition | Function | str | None
    """A text is a function that is not here: it holds for nothing."""
    otherwise: bool
    times: int


Judge = Callable[[Function, Move], bool]
"""Whether a function holds for what was said in a turn."""


def asks(flow: Flow) -> bool:
    """Whether functions decide about any edge."""
    return any(edge.function for edge in flow.edges)


def loaded(flow: Flow, load: Callable[[str], Function]) -> Flow:
    """The flow with functions in place of their names; raises what `load` raises."""
    edges = (
        msgspec.structs.replace(edge, when=load(edge.function)) if edge.function and isinstance(edge.function, str) else edge
        for edge in flow.edges
    )
    return msgspec.structs.replace(flow, edges=tuple(edges))


def arrows(flow: Flow) -> list[_Arrow]:
    """The edges of a flow, one for each target; raises `StopError` for a condition that is none."""
    return [
        _Arrow(edge.source, target, _condition(edge), edge.otherwise, edge.times)
        for edge in flow.edges
        for target in edge.targets
    ]


def _condition(edge: Edge) -> Condition | Function | str | None:
    return edge.function or (parse(edge.when) if edge.when.strip() else None)


def starts(flow: Flow) -> tuple[str, ...]:
    """Who speaks first."""
    targets = {target for edge in flow.edges for target in edge.targets}
    return flow.start or tuple(dict.fromkeys(edge.source for edge in flow.edges if edge.source not in targets))


class _Marking:
    """Which edges have fired and wait for their target."""

    def __init__(self, flow: Flow, judge: "Judge | None" = None) -> None:
        self.flow, self.arrows, self.judge = flow, arrows(flow), judge
        self.pending = set(starts(flow))
        self.tokens: Counter[int] = Counter()
        self.used: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()

    def into(self, name: str) -> list[int]:
        return [number for number, arrow in enumerate(self.arrows) if arrow.target == name]

    def waiting(self, name: str) -> list[int]:
        """The edges that have fired towards `name`."""
        return [number for number in self.into(name) if self.tokens[number]]

    def ready(self, name: str) -> bool:
        into = self.into(name)
        return name in self.pending or (bool(into) and len(self.waiting(name)) >= self.wanted(name))

    def wanted(self, name: str) -> int:
        join = self.flow.join.get(name, "all")
        return len(self.into(name)) if join == "all" else 1 if join == "any" else join

    def consume(self, name: str) -> None:
        if name in self.pending:
            self.pending.discard(name)
            return
        for number in self.into(name):
            self.tokens[number] = max(0, self.tokens[number] - 1) if self.flow.join.get(name, "all") == "all" else 0

    def fire(self, move: Move) -> None:
        out = [number for number, arrow in enumerate(self.arrows) if arrow.source == move.speaker and self._left(number)]
        conditional = [number for number in out if self.arrows[number].when is not None]
        holding = [number for number in conditional if self._holds(self.arrows[number].when, move)]
        plain = [number for number in out if number not in conditional and not (self.arrows[number].otherwise and holding)]
        for number in (*holding, *plain):
            self.tokens[number] += 1
            self.used[number] += 1

    def _holds(self, when: Condition | Function | str | None, move: Move) -> bool:
        if when is None or isinstance(when, str) or move.message is None:
            return False
        if isinstance(when, Condition):
            return Watch(when).look(Facts(messages=1).with_message(move.message)) is not None
        return bool(when(move.message)) if self.judge is None else self.judge(when, move)

    def _left(self, number: int) -> bool:
        return not self.arrows[number].times or self.used[number] < self.arrows[number].times

    def take(self, moves: Sequence[Move]) -> None:
        """The turns of one round: what led to them is used up before they lead on."""
        for move in moves:
            if move.state == "failed":
                self.failures[move.speaker] += 1
            else:
                self.failures.pop(move.speaker, None)
                self.consume(move.speaker)
        for move in moves:
            if move.state in ("done", "passed"):
                self.fire(move)

    def enough(self, names: Sequence[str]) -> int:
        """How many of `names` must answer when all of them lead to one join, and to nothing else; 0: all."""
        out = [[arrow for arrow in self.arrows if arrow.source == name] for name in names]
        targets = {arrow.target for each in out for arrow in each}
        plain = all(len(each) == 1 and each[0].when is None and not each[0].otherwise for each in out)
        if len(names) < 2 or len(targets) != 1 or not plain:
            return 0
        (target,) = targets
        if target in names:
            return 0
        need = max(1, self.wanted(target) - len(self.waiting(target)))
        return need if need < len(names) else 0


def ready(
    flow: Flow, moves: Sequence[Move], members: Sequence[str], without: Collection[str] = (), judge: Judge | None = None
) -> Ready:
    """Who speaks after `moves`, in the order of the `members`, but for those `without` a turn.

    `judge` asks the functions; without it they are called, and raise what they raise.
    """
    marking = _Marking(flow, judge)
    together: list[Move] = []
    for move in moves:
        if together and move.begun != together[0].begun:
            marking.take(together)
            together = []
        together.append(move)
    marking.take(together)
    could = [name for name in members if name not in without and marking.ready(name)]
    names = tuple(name for name in could if marking.failures[name] < SECOND_CHANCE)
    after = {name: tuple(dict.fromkeys(marking.arrows[number].source for number in marking.waiting(name))) for name in names}
    return Ready(names, after, marking.enough(names), tuple(could) if not names else ())


def problem(flow: Flow, names: Sequence[str]) -> str:
    """Why a flow cannot be followed among the members `names`, a sentence; empty: it can."""
    for edge in flow.edges:
        for name in (edge.source, *edge.targets):
            if name not in names:
                return f"{name!r} is no member"
        wrong = _wrong_condition(edge)
        if wrong:
            return f"the edge from {edge.source}: when: {wrong}"
        if (edge.function or edge.when.strip()) and edge.otherwise:
            return f"the edge from {edge.source} has both `when` and `otherwise`"
        if edge.times < 0:
            return f"the edge from {edge.source}: times is 0 or more"
        if not edge.targets:
            return f"the edge from {edge.source} leads nowhere"
    for name in (*flow.start, *flow.join):
        if name not in names:
            return f"{name!r} is no member"
    if not flow.edges and not flow.start:
        return "it has no edges"
    if not starts(flow):
        return "everybody is led to by somebody: say who speaks first with `start`"
    return _unreached(flow)


def _wrong_condition(edge: Edge) -> str:
    function = edge.function
    if isinstance(function, str):
        try:
            _condition(edge)
        except StopError as error:
            return str(error)
        return ""
    if not callable(function):
        return "it is neither a text nor a function"
    return "an async function is no condition" if inspect.iscoroutinefunction(function) else ""


def _unreached(flow: Flow) -> str:
    """A join that can never be complete."""
    marking = _Marking(flow)
    for name, join in flow.join.items():
        if isinstance(join, int) and not 1 <= join <= max(1, len(marking.into(name))):
            return f"{name} joins {join} of {len(marking.into(name))} edges"
    reached = set(marking.pending)
    while True:
        more = {
            arrow.target
            for arrow in marking.arrows
            if arrow.target not in reached
            and sum(marking.arrows[number].source in reached for number in marking.into(arrow.target))
            >= marking.wanted(arrow.target)
        }
        if not more:
            break
        reached |= more
    for arrow in marking.arrows:
        if arrow.target not in reached:
            sources = sorted({marking.arrows[number].source for number in marking.into(arrow.target)})
            return (
                f"{arrow.target} can never speak: it waits for {marking.wanted(arrow.target)} of the edges from "
                f'{", ".join(sources)}; join = {{ {arrow.target} = "any" }} lets one be enough'
            )
    return ""
