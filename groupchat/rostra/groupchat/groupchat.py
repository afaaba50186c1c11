"""`GroupChat`: a group chat as a program describes it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from rostra.protocol import ChatMessage, Member
from rostra.protocol.people import Asking

from .check import check_options
from .conditions import Condition
from .flow import Flow
from .options import Budget, ChatOptions, Selection, SelectorOptions, Transitions


class GroupChat:
    """Who takes part in a chat, and by which rules; `options` is what a `Coordinator` takes.

    `agents`: names, `Member`s, or objects with a `name` (and perhaps `description`, `tools`, `kind`). `stop`: a condition, or a
    stop expression. `allowed`, `disallowed`: the transition graph, one of the two at most. The rest is as in a team file's
    `[chat]` table; `extending` and `asking` are its `budget.person` and `chat.person`. Raises `BadOptions`.
    """

    def __init__(
        self,
        agents: Iterable[Any],
        *,
        selection: Selection = "auto",
        max_rounds: int = 10,
        repeat: bool | Sequence[str] = True,
        allowed: Mapping[str, Sequence[str]] | None = None,
        disallowed: Mapping[str, Sequence[str]] | None = None,
        stop: Condition | str = "",
        admin: str = "",
        introductions: bool = False,
        on_absent: Literal["wait", "skip"] = "wait",
        turn_seconds: float = 300.0,
        turn_retries: int = 2,
        seed: int | None = None,
        selector_model: str = "",
        people: Iterable[str] = (),
        budget: Budget | None = None,
        passes: bool = False,
        flow: Flow | None = None,
        stop_function: Callable[[Sequence[ChatMessage]], str | bool | None] | None = None,
        clear_history: bool = False,
        selector: SelectorOptions | None = None,
        extending: Asking | None = None,
        asking: Asking | None = None,
        remind_seconds: float = 3600.0,
    ) -> None:
        transitions = None
        if allowed is not None or disallowed is not None:
            transitions = Transitions(allowed=_edges(allowed), disallowed=_edges(disallowed))
        self.options = check_options(
            ChatOptions(
                members=tuple(_member(agent) for agent in agents),
                selection=selection,
                max_rounds=max_rounds,
                repeat=repeat if isinstance(repeat, bool) else tuple(repeat),
                transitions=transitions,
                stop=str(stop),
                admin=admin,
                introductions=introductions,
                on_absent=on_absent,
                turn_seconds=turn_seconds,
                turn_retries=turn_retries,
                seed=seed,
                selector_model=selector_model,
                people=frozenset(people),
                budget=budget or Budget(),
                passes=passes,
                flow=flow,
                stop_function=stop_function,
                clear_history=clear_history,
                selector=selector or SelectorOptions(),
                extending=extending,
                asking=asking or Asking(),
                remind_seconds=remind_seconds,
            )
        )


def _edges(graph: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]] | None:
    return None if graph is None else {name: tuple(followers) for name, followers in graph.items()}


def _member(agent: Any) -> Member:
    if isinstance(agent, Member):
        return agent
    if isinstance(agent, str):
        return Member(name=agent)
    tools = getattr(agent, "tools", ())
    return Member(
        name=agent.name,
        description=getattr(agent, "description", "") or "",
        tools=tuple(one if isinstance(one, str) else getattr(one, "name", str(one)) for one in tools or ()),
        kind=str(getattr(agent, "kind", "") or ""),
    )
