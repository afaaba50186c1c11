"""Stop conditions, composed with `&` and `|`: pure questions to the `Facts` of a chat.

A condition is either a *rule* (the chat ended as it should) or a *limit* (it was cut off). `str` gives the expression that a team
file would hold; `stop.parse` is its inverse. A condition that was met once stays met: `text("done") & messages(6)` stops at
message 6 when "done" was said before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from .facts import Facts


class Met(msgspec.Struct, frozen=True):
    """A condition is met: the reason, a sentence; `limit`: the chat was cut off rather than finished."""

    reason: str
    limit: bool


class Condition:
    """Base of every condition."""

    def __or__(self, other: "Condition") -> "Condition":
        """Met when one of the two is."""
        return Either(self, other)

    def __and__(self, other: "Condition") -> "Condition":
        """Met when both are, not necessarily by the same message."""
        return Both(self, other)

    def leaves(self) -> "Iterator[Leaf]":
        """The simple conditions that this one is made of."""
        raise NotImplementedError


class Leaf(Condition):
    """A condition that is not composed."""

    limit: ClassVar[bool] = False
    word: ClassVar[str] = ""
    """What it is called in a stop expression."""

    def leaves(self) -> "Iterator[Leaf]":
        """Itself."""
        yield self

    def reason(self, facts: Facts) -> str:
        """Why the chat stops, given these facts; empty: it does not."""
        raise NotImplementedError


@dataclass(frozen=True)
class Either(Condition):
    """One of two."""

    left: Condition
    right: Condition

    def leaves(self) -> Iterator[Leaf]:
        """Of both."""
        yield from self.left.leaves()
        yield from self.right.leaves()

    def __str__(self) -> str:
        return f"{self.left} | {f'({self.right})' if isinstance(self.right, Either) else self.right}"


@dataclass(frozen=True)
class Both(Condition):
    """Two at once."""

    left: Condition
    right: Condition

    def leaves(self) -> Iterator[Leaf]:
        """Of both."""
        yield from self.left.leaves()
        yield from self.right.leaves()

    def __str__(self) -> str:
        left = f"({self.left})" if isinstance(self.left, Either) else str(self.left)
        return f"{left} & {f'({self.right})' if isinstance(self.right, Either | Both) else self.right}"


@dataclass(frozen=True)
class TextMention(Leaf):
    """A message contains `text`; with `by`, a message of that speaker."""

    text: str
    by: str = ""
    word: ClassVar[str] = "text"

    def reason(self, facts: Facts) -> str:
        """See `Leaf.reason`."""
        last = facts.last
        if last is None or self.text not in last.text or (self.by and last.name != self.by):
            return ""
        return f"{last.name} said {self.text!r}"

    def __str__(self) -> str:
        return f"text({self.text!r}, by={self.by!r})" if self.by else f"text({self.text!r})"


@dataclass(frozen=True)
class ExactText(Leaf):
    """The text of a message is `text`, nothing more and nothing less."""

    text: str
    word: ClassVar[str] = "exact"

    def reason(self, facts: Facts) -> str:
        """See `Leaf.reason`."""
        last = facts.last
        return f"{last.name} said exactly {self.text!r}" if last is not None and last.text == self.text else ""

    def __str__(self) -> str:
        return f"exact({self.text!r})"


@dataclass(frozen=True)
class _Number(Leaf):
    """Base of the limits that compare a figure with `at_most`."""

    at_most: float
    limit: ClassVar[bool] = True
    unit: ClassVar[str] = ""

    def figure(self, facts: Facts) -> float:
        """What is compared."""
        raise NotImplementedError

    def reason(self, facts: Facts) -> str:
        """See `Leaf.reason`."""
        figure = self.figure(facts)
        return f"the limit of {self.at_most:,} {self.unit} is reached ({round(figure, 4):,})" if figure >= self.at_most else ""

    def __str__(self) -> str:
        return f"{self.word}({self.at_most!r})"


class MaxMessages(_Number):
    """There are `at_most` messages, the opening included."""

    word, unit = "messages", "messages"

    def figure(self, facts: Facts) -> float:
        """Messages."""
        return facts.messages


class TokenUsage(_Number):
    """The completions have used `at_most` tokens, those of the speaker selection included."""

    word, unit = "tokens", "tokens"

    def figure(self, facts: Facts) -> float:
        """Tokens."""
        return facts.usage.tokens


class PromptTokens(_Number):
    """The completions have read `at_most` tokens."""

    word, unit = "prompt_tokens", "prompt tokens"

    def figure(self, facts: Facts) -> float:
        """Tokens."""
        return facts.usage.prompt_tokens


class CompletionTokens(_Number):
    """The completions have written `at_most` tokens."""

    word, unit = "completion_tokens", "completion tokens"

    def figure(self, facts: Facts) -> float:
        """Tokens."""
        return facts.usage.completion_tokens


class Cost(_Number):
    """The completions have cost `at_most` US dollars."""

    word, unit = "cost", "dollars"

    def figure(self, facts: Facts) -> float:
        """US dollars."""
        return facts.usage.cost


class Timeout(_Number):
    """`at_most` seconds have passed since the chat began."""

    word, unit = "seconds", "seconds"

    def figure(self, facts: Facts) -> float:
        """Seconds."""
        return facts.seconds


class NoProgress(_Number):
    """`at_most` messages with the same content stand in a row."""

    word, unit = "idle", "identical messages in a row"

    def figure(self, facts: Facts) -> float:
        """Messages."""
        return facts.identical


@dataclass(frozen=True)
class SourceMatch(Leaf):
    """One of `names` has spoken."""

    names: tuple[str, ...]
    word: ClassVar[str] = "source"

    def reason(self, facts: Facts) -> str:
        """See `Leaf.reason`."""
        last = facts.last
        return f"{last.name} has spoken" if last is not None and last.name in self.names else ""

    def __str__(self) -> str:
        return f"source({', '.join(map(repr, self.names))})"


@dataclass(frozen=True)
class Handoff(Leaf):
    """A message hands over to `name`: it says so in its metadata, under `handoff`."""

    name: str
    word: ClassVar[str] = "handoff"

    def reason(self, facts: Facts) -> str:
        """See `Leaf.reason`."""
        last = facts.last
        return f"{last.name} hands over to {self.name}" if last and last.metadata.get("handoff") == self.name else ""

    def __str__(self) -> str:
        return f"handoff({self.name!r})"


@dataclass(frozen=True)
class FunctionCalled(Leaf):
    """The function `name` was called, and its answer is in the transcript."""

    name: str
    word: ClassVar[str] = "function"

    def reason(self, facts: Facts) -> str:
        """See `Leaf.reason`."""
        return f"the function {self.name} was called" if self.name in facts.executed else ""

    def __str__(self) -> str:
        return f"function({self.name!r})"


@dataclass(frozen=True)
class VotePassed(Leaf):
    """The members have voted `yes` on `text`. They are asked after each `every` messages; 0: as many as there are members."""

    text: str
    every: int = 0
    word: ClassVar[str] = "vote"

    def reason(self, facts: Facts) -> str:
        """See `Leaf.reason`."""
        _, winner = facts.votes.get(self.text, (0, ""))
        return f"the members voted yes: {self.text}" if winner == "yes" else ""

    def due(self, facts: Facts, members: int) -> bool:
        """Whether it is time to ask the members (again)."""
        asked, winner = facts.votes.get(self.text, (1, ""))
        return winner != "yes" and facts.messages - asked >= (self.every or members)

    def __str__(self) -> str:
        return f"vote({self.text!r}, every={self.every})" if self.every else f"vote({self.text!r})"


class Watch:
    """Follows one chat with one condition, remembering what was met before."""

    def __init__(self, condition: Condition | None) -> None:
        self._condition = condition
        self._leaves = list(condition.leaves()) if condition else []
        self._met: dict[int, str] = {}

    @property
    def times(self) -> list[float]:
        """The seconds after which time alone may meet a condition."""
        return [leaf.at_most for leaf in self._leaves if isinstance(leaf, Timeout)]

    def votes(self, facts: Facts, members: int) -> tuple[str, ...]:
        """The questions that the members are due to vote on now."""
        asked = (leaf for leaf in self._leaves if isinstance(leaf, VotePassed) and id(leaf) not in self._met)
        return tuple(dict.fromkeys(leaf.text for leaf in asked if leaf.due(facts, members)))

    def look(self, facts: Facts) -> Met | None:
        """Whether the chat stops with these facts; to be called for each message, in order."""
        for leaf in self._leaves:
            if id(leaf) not in self._met:
                reason = leaf.reason(facts)
                if reason:
                    self._met[id(leaf)] = reason
        return self._evaluate(self._condition) if self._condition else None

    def _evaluate(self, condition: Condition) -> Met | None:
        match condition:
            case Leaf():
                reason = self._met.get(id(condition))
                return Met(reason, condition.limit) if reason else None
            case Either(left, right):
                return self._evaluate(left) or self._evaluate(right)
            case Both(left, right):
                one, other = self._evaluate(left), self._evaluate(right)
                return Met(f"{one.reason}, and {other.reason}", one.limit and other.limit) if one and other else None
            case _:
                raise TypeError(f"{condition!r} is no condition")
