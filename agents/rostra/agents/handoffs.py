"""Handoffs: an agent's model gives the floor to a member by calling a tool named after it."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rostra.protocol import ChatMessage, ToolCall
from rostra.protocol.completion import ToolSchema

HANDOFF = "handoff"
"""The metadata of a message that hands over: to whom (the selection `handoff` and the stop condition of that name read it)."""


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """To whom an agent may hand over; what is empty has a default made of the target's name.

    `description`: what the model is told about it; `name`: of the tool; `message`: what is said when the model says nothing.
    """

    target: str
    description: str = ""
    name: str = ""
    message: str = ""

    @property
    def tool(self) -> str:
        """What the model calls."""
        return self.name or "transfer_to_" + self.target.replace("-", "_")

    @property
    def schema(self) -> ToolSchema:
        """The tool as a model is told of it."""
        description = self.description or f"Hand over to {self.target}, who speaks next."
        return ToolSchema(name=self.tool, description=description, parameters={"type": "object", "properties": {}})

    @property
    def words(self) -> str:
        """What is said when the model says nothing itself."""
        return self.message or f"Transferred to {self.target}, who takes over from here."


class Handoffs:
    """The handoffs of one agent. Raises ValueError when two have one name."""

    def __init__(self, handoffs: Iterable[Handoff | str] = ()) -> None:
        made = [Handoff(target=one) if isinstance(one, str) else one for one in handoffs]
        self._by_tool: Mapping[str, Handoff] = {one.tool: one for one in made}
        if len(self._by_tool) < len(made):
            raise ValueError(f"two handoffs have one name: {', '.join(one.tool for one in made)}")

    @property
    def schemas(self) -> tuple[ToolSchema, ...]:
        """The tools as a model is told of them."""
        return tuple(one.schema for one in self._by_tool.values())

    def __contains__(self, tool: str) -> bool:
        return tool in self._by_tool

    def made(self, calls: Sequence[ToolCall]) -> Handoff | None:
        """The handoff that a model has called for: the first, where it named several."""
        return next((self._by_tool[call.name] for call in calls if call.name in self._by_tool), None)


def handing_over(message: ChatMessage, handoff: Handoff) -> ChatMessage:
    """An agent's answer as one that hands over."""
    content = message.content or handoff.words
    return msgspec.structs.replace(message, content=content, metadata={**message.metadata, HANDOFF: handoff.target})
