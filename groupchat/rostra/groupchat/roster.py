"""What the members say of themselves when they connect, over what the options say of them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rostra.protocol import Member


class Roster:
    """Who is who. Tells of a peer at HELLO (`description`, `kind`, `tools`) go before the options."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._members = {member.name: member for member in members}
        self._told: dict[str, Member] = {}

    def heard(self, name: str, info: dict[str, Any]) -> None:
        """A peer connected and said this of itself; what is no `Member` is ignored."""
        if name in self._members:
            try:
                self._told[name] = msgspec.convert({**info, "name": name}, Member)
            except msgspec.ValidationError:
                self._told.pop(name, None)

    def member(self, name: str) -> Member:
        """What is known of a member; of a stranger, the name."""
        base, told = self._members.get(name, Member(name=name)), self._told.get(name)
        if told is None:
            return base
        return Member(
            name=name,
            description=told.description or base.description,
            tools=told.tools or base.tools,
            kind=told.kind or base.kind,
        )
