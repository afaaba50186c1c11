"""The tools of one agent."""

import asyncio
import logging
from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any

from rostra.agents.responder import Context
from rostra.protocol import ChatMessage, ToolCall, ToolResponse, redaction
from rostra.protocol.completion import ToolSchema
from rostra.protocol.failpoints import passing

from .function_tool import FunctionTool
from .signature import BadTool

if TYPE_CHECKING:
    from .journal import Task

log = logging.getLogger("rostra.audit")


def anything(_: str) -> bool:
    """Every tool is granted."""
    return True


class ToolBox:
    """Tools by name; functions given are made tools. Raises `BadTool` for two of one name."""

    def __init__(self, tools: Iterable[FunctionTool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, FunctionTool] = {}
        for each in tools:
            self.add(each)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def names(self) -> tuple[str, ...]:
        """What the tools are called, in the order they were added."""
        return tuple(self._tools)

    @property
    def schemas(self) -> tuple[ToolSchema, ...]:
        """The tools as a model is told of them."""
        return tuple(each.schema for each in self._tools.values())

    async def ready(self) -> None:
        """Learn the schemas that are not known from the start: those of tools elsewhere."""
        await asyncio.gather(*(each.ready() for each in self._tools.values()))

    def add(self, tool: FunctionTool | Callable[..., Any]) -> FunctionTool:
        """Put one more tool in; raises `BadTool` when another one has its name."""
        added = tool if isinstance(tool, FunctionTool) else FunctionTool(tool)
        if self._tools.setdefault(added.name, added) is not added:
            raise BadTool(f"there are two tools called {added.name!r}")
        return added

    def joined(self, other: "ToolBox") -> "ToolBox":
        """The tools of both; where a name is in both, this one's."""
        return self._of({**other._tools, **self._tools})

    def within(self, names: Container[str]) -> "ToolBox":
        """Those of the tools whose names are among `names`."""
        return self._of({name: each for name, each in self._tools.items() if name in names})

    async def run(
        self, calls: Iterable[ToolCall], context: Context, granted: Callable[[str], bool] = anything
    ) -> tuple[ToolResponse, ...]:
        """Run the calls at once; the responses are in the order of the calls. Failures are answers: `Error: …`.

        A call that an earlier try at the same work has made is not made again (`journal`), unless its tool is repeatable.
        `granted`: whether who calls may have the tool of this name run.
        """
        made = list(calls)
        withheld = {each.name for each in made if each.name in self and not granted(each.name)}
        own = self.within(self._tools.keys() - withheld)
        recalled = own._recall(made, context)
        responding = (own._respond(each, context, recalled.get(n), withheld) for n, each in enumerate(made))
        return tuple(await asyncio.gather(*responding))

    def _recall(self, calls: list[ToolCall], context: Context) -> dict[int, str]:
        if context.journal is None:
            return {}
        once = {n: each for n, each in enumerate(calls) if self._once(each)}
        if not once:
            return {}
        answers = context.journal.recall([(each.name, each.arguments) for each in once.values()])
        for each, answer in zip(once.values(), answers, strict=True):
            if answer is not None:
                log.warning("%s: %s was called by an earlier try at this turn, and is not run again", context.agent, each.name)
        return {n: answer for n, answer in zip(once, answers, strict=True) if answer is not None}

    async def _respond(self, call: ToolCall, context: Context, recalled: str | None, withheld: Container[str]) -> ToolResponse:
        tool = self._tools.get(call.name)
        if recalled is not None:
            content = recalled
        elif call.name in withheld:
            content = f"Error: Function {call.name} is not granted to who calls it."
        elif tool is None:
            content = f"Error: Function {call.name} not found."
        elif context.journal is None or tool.repeatable:
            content = redaction.own.text(await tool.run(call.arguments, context))
        else:
            content = await self._journalled(tool, call, context, context.journal)
        return ToolResponse(id=call.id, name=call.name, content=content)

    async def _journalled(self, tool: FunctionTool, call: ToolCall, context: Context, journal: "Task") -> str:
        number: int | None = None

        def begin() -> None:  # what nobody has approved yet has not begun
            nonlocal number
            number = journal.begin(call.name, call.arguments)
            passing("tool.begun")

        content = redaction.own.text(await tool.run(call.arguments, context, begin))
        if number is not None:
            passing("tool.ran")
            journal.done(number, content)
            passing("tool.done")
        return content

    def _once(self, call: ToolCall) -> bool:
        tool = self._tools.get(call.name)
        return tool is not None and not tool.repeatable

    def _of(self, tools: dict[str, FunctionTool]) -> "ToolBox":
        box = ToolBox()
        box._tools = tools
        return box


def tool_message(responses: tuple[ToolResponse, ...], name: str) -> ChatMessage:
    """The one message in which the agent `name` answers all calls: contents joined by a blank line."""
    text = "\n\n".join(response.content for response in responses)
    return ChatMessage(role="tool", name=name, content=text, tool_responses=responses)
