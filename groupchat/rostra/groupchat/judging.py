"""Asks the functions on the edges of a flow: each once for each turn, beside everything else, and with a bound."""

import asyncio
import logging

import msgspec

from .candidates import Nobody
from .flow import Flow, Function, Move
from .selection import Round, Situation, flowing

log = logging.getLogger(__name__)

_Case = tuple[Function, int, str]


class Judging:
    """The flow of one chat. `seconds` bound a function; one that takes longer, or raises, does not hold, which is recorded."""

    def __init__(self, flow: Flow, seconds: float) -> None:
        self._flow, self._seconds = flow, seconds
        self._held: dict[_Case, bool] = {}
        self._asked: _Case | None = None
        self._problems: list[str] = []

    async def next(self, situation: Situation) -> Round | Nobody:
        """Who speaks next, as `flowing`. Raises nothing but a cancellation."""
        self._problems = []
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    found = await asyncio.to_thread(flowing, self._flow, situation, self._judge)
                break
            except TimeoutError:
                assert self._asked is not None
                self._held.setdefault(self._asked, False)
                self._problems.append(f"{_name(self._asked[0])} took longer than {self._seconds:g} s")
        return self._noted(found)

    def _judge(self, function: Function, move: Move) -> bool:
        case = (function, move.begun, move.speaker)
        if case not in self._held:
            assert move.message is not None
            self._asked = case
            try:
                held = bool(function(move.message))
            except Exception as error:  # somebody else's function must not end the chat
                log.warning("the condition of an edge failed", exc_info=True)
                self._problems.append(f"{_name(function)} raised {type(error).__name__}: {error}")
                held = False
            self._held.setdefault(case, held)
        return self._held[case]

    def _noted(self, found: Round | Nobody) -> Round | Nobody:
        if not self._problems:
            return found
        problem = "the condition of an edge does not hold: " + "; ".join(dict.fromkeys(self._problems))
        if isinstance(found, Nobody):
            return Nobody(found.outcome, f"{found.reason}; {problem}")
        first, *others = found.choices
        noted = msgspec.structs.replace(first, why=msgspec.structs.replace(first.why, fallback=problem))
        return msgspec.structs.replace(found, choices=(noted, *others))


def _name(function: Function) -> str:
    return getattr(function, "__qualname__", None) or type(function).__name__
