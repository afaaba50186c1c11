"""Which limit cuts a chat off, and when time alone may do so. Pure."""

from .conditions import Condition, Watch
from .facts import Facts
from .options import Budget


def reached(budget: Budget, facts: Facts, max_rounds: int) -> str:
    """Which limit is reached, a sentence; empty: none."""
    if budget.tokens and facts.usage.tokens >= budget.tokens:
        return f"the budget of {budget.tokens:,} tokens is used up ({facts.usage.tokens:,})"
    if budget.cost and facts.usage.cost >= budget.cost:
        return f"the budget of {budget.cost:g} dollars is used up ({facts.usage.cost:.4f})"
    if budget.seconds and facts.seconds >= budget.seconds:
        return f"the budget of {budget.seconds:g} seconds is used up"
    if facts.messages >= max_rounds:
        return f"max_rounds: there are {facts.messages} messages"
    return ""


class Clock:
    """The moments at which time alone may end a chat with this stop condition and budget."""

    def __init__(self, stop: Condition | None, budget: Budget) -> None:
        self._times = sorted({*Watch(stop).times, *([budget.seconds] if budget.seconds else [])})

    def after(self, seconds: float) -> float | None:
        """The first of them after `seconds`; None: there is none."""
        return next((one for one in self._times if one > seconds), None)
