"""What an agent's model has used, per model, with and without what came from a cache."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from rostra.protocol import Usage
from rostra.protocol.payload import Payload


class Spent(Payload, frozen=True, kw_only=True, omit_defaults=False):
    """What one model has used: completions, tokens, US dollars."""

    completions: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    estimated: bool = False
    """Some of it is an estimate."""

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def plus(self, usage: Usage) -> "Spent":
        """With one more completion."""
        return Spent(
            completions=self.completions + 1,
            prompt_tokens=self.prompt_tokens + usage.prompt_tokens,
            completion_tokens=self.completion_tokens + usage.completion_tokens,
            cost=self.cost + usage.cost,
            estimated=self.estimated or usage.estimated,
        )


class Spending:
    """Counts usage. `total`: per model, everything; `actual`: without what a cache gave."""

    def __init__(self, usage: Iterable[Usage] = ()) -> None:
        self.total: dict[str, Spent] = {}
        self.actual: dict[str, Spent] = {}
        for each in usage:
            self.add(each)

    def add(self, usage: Usage) -> None:
        """Count one completion."""
        self.total[usage.model] = self.total.get(usage.model, Spent()).plus(usage)
        if not usage.cached:
            self.actual[usage.model] = self.actual.get(usage.model, Spent()).plus(usage)

    @property
    def cost(self) -> float:
        """US dollars, of all models."""
        return sum(each.cost for each in self.actual.values())

    def clear(self) -> None:
        """Begin to count anew."""
        self.total.clear()
        self.actual.clear()

    def merge(self, other: "Spending") -> None:
        """Add what another has counted."""
        for mine, theirs in ((self.total, other.total), (self.actual, other.actual)):
            for model, spent in theirs.items():
                mine[model] = _sum(mine.get(model, Spent()), spent)

    def __str__(self) -> str:
        return "\n".join(filter(None, [_told("with cached answers", self.total), _told("without cached answers", self.actual)]))


class Spender(Protocol):
    """Whose model is counted."""

    spending: Spending


def gather_usage_summary(agents: Iterable[Spender]) -> Spending:
    """What several agents have used together."""
    together = Spending()
    for agent in agents:
        together.merge(agent.spending)
    return together


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(
        completions=one.completions + other.completions,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        cost=one.cost + other.cost,
        estimated=one.estimated or other.estimated,
    )


def _told(title: str, spent: Mapping[str, Spent]) -> str:
    lines = [
        f"  {model or 'unnamed'}: {one.completions} completions, {one.prompt_tokens} + {one.completion_tokens} tokens, "
        f"${one.cost:.4f}{' (estimated)' if one.estimated else ''}"
        for model, one in spent.items()
    ]
    return "\n".join([f"{title}:", *lines]) if lines else ""
