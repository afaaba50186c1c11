"""Chooses the next speaker: rules first, then the method, which may ask a model, a person, or a function."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import msgspec

from rostra.protocol import GATEWAY, Answer, BadMessage, BadProposal, Client, Question, RequestError, Tally, Turn, Usage
from rostra.protocol.chat import Why
from rostra.protocol.completion import Completion, CompletionRequest
from rostra.protocol.vote import vote

from .auto import Dialogue
from .candidates import Candidates, Nobody
from .facts import SECOND_CHANCE, plausible
from .flow import asks
from .judging import Judging
from .methods import METHODS
from .options import ChatOptions
from .roster import Roster
from .selection import (
    Chosen,
    Polled,
    Round,
    Several,
    Situation,
    Unchosen,
    candidates_in,
    drawn,
    flowing,
    handed,
    manual_choice,
    manual_question,
    rotation,
)
from .votes import elected, speaker_proposal, stop_proposal

log = logging.getLogger(__name__)

MANUAL_TRIES = 3
"""How often a person is asked before the choice is made automatically."""

AskPerson = Callable[[bytes, Question], Awaitable[Answer]]


class _Draft(msgspec.Struct):
    """A choice in the making."""

    method: str
    answers: list[str] = []
    usage: list[Usage] = []
    fallback: list[str] = []
    tally: Tally | None = None


class Selector:
    """Chooses speakers for one chat. `names` are its members; `roster` knows what they say of themselves."""

    def __init__(
        self,
        options: ChatOptions,
        names: tuple[str, ...],
        roster: Roster,
        client: Client,
        ask: AskPerson,
        turn: Callable[[str], Turn] | None = None,
    ) -> None:
        self._options, self._names, self._roster, self._client, self._ask = options, names, roster, client, ask
        self._turn = turn
        functions = options.flow is not None and asks(options.flow)
        self._judging = Judging(options.flow, options.turn_seconds) if options.flow is not None and functions else None

    def at_once(self, situation: Situation) -> Chosen | Round | Unchosen | None:
        """The choice, when nobody has to be asked for it: no model, person, function, or member; None: `select` asks."""
        selection = situation.selection or self._options.selection
        if situation.polls or callable(selection) or (self._judging is not None and selection.lower() == "flow"):
            return None
        found = self._by_rules(situation, _Draft(selection.lower()))
        return None if isinstance(found, Candidates) else found

    async def select(self, situation: Situation) -> Chosen | Round | Unchosen | Polled:
        """Choose, or let the members vote on the questions of the stop condition when these are due.

        Whatever a model, a person or a function does wrong is recorded and mended, never raised. Raises only what `ask` raises
        when nobody can be asked.
        """
        self._names = situation.members or self._names
        if situation.polls:
            return Polled(tuple([await self._poll(situation, text, number) for number, text in enumerate(situation.polls)]))
        selection = situation.selection or self._options.selection
        draft = _Draft("callable" if callable(selection) else selection.lower())
        if callable(selection):
            done = await self._by_function(selection, situation, draft)
            if done is not None:
                return done
        if draft.method == "flow" and self._judging is not None:
            following = await self._judging.next(situation)
            return following if isinstance(following, Round) else Unchosen(following.outcome, following.reason)
        found = self._by_rules(situation, draft)
        if not isinstance(found, Candidates):
            return found
        speaker, reason = await self._by_somebody(situation, found, draft)
        return _chosen(situation, found, draft, speaker, reason)

    def _by_rules(self, situation: Situation, draft: _Draft) -> Chosen | Round | Unchosen | Candidates:
        """Who speaks, as far as rules decide alone; else those among whom somebody has to choose."""
        self._names = situation.members or self._names
        if draft.method == "flow" and self._options.flow is not None:
            found = flowing(self._options.flow, situation)
            return found if isinstance(found, Round) else Unchosen(found.outcome, found.reason, tuple(draft.usage))
        narrowed = candidates_in(situation, self._options, [self._roster.member(name) for name in self._names])
        if isinstance(narrowed, Nobody):
            return Unchosen(narrowed.outcome, narrowed.reason, tuple(draft.usage))
        if len(narrowed.names) == 1:
            return _chosen(situation, narrowed, draft, narrowed.names[0], narrowed.reason)
        match draft.method:
            case "parallel":
                choices = (_chosen(situation, narrowed, draft, name, "all are asked at once") for name in narrowed.names)
                return Round(tuple(choices))
            case "round_robin":
                return _chosen(situation, narrowed, draft, self._rotate(situation, narrowed), "next in rotation")
            case "random":
                seed = situation.chat if self._options.seed is None else self._options.seed
                speaker = drawn(seed, situation.sequence, narrowed.names)
                return _chosen(situation, narrowed, draft, speaker, "drawn at random")
            case "handoff":
                speaker, reason, fallback = handed(situation.messages, situation.last_speaker, narrowed.names)
                draft.fallback += [fallback] if fallback else []
                return _chosen(situation, narrowed, draft, speaker, reason)
            case _:
                return narrowed

    async def _by_somebody(self, situation: Situation, narrowed: Candidates, draft: _Draft) -> tuple[str, str]:
        match draft.method:
            case "manual":
                return await self._by_person(situation, narrowed, draft)
            case "vote":
                return await self._by_vote(situation, narrowed, draft)
            case _:
                return await self._by_model(situation, narrowed, draft)

    def _rotate(self, situation: Situation, narrowed: Candidates) -> str:
        return rotation(self._names, situation.last_speaker, narrowed.names)

    async def _by_model(self, situation: Situation, narrowed: Candidates, draft: _Draft) -> tuple[str, str]:
        options = self._options
        if not options.selector_model:
            return self._rotate(situation, narrowed), "next in rotation, as no model selects"
        members = [self._roster.member(name) for name in self._names]
        dialogue = Dialogue(members, situation.messages[situation.hidden :], narrowed.names, options.selector)
        while not dialogue.exhausted:
            request = CompletionRequest(
                model=options.selector_model,
                agent="selector",
                ordinal=situation.ordinal + len(dialogue.answers),
                chat=situation.chat,
                messages=dialogue.messages,
            )
            seconds = options.turn_seconds
            try:
                completion: Completion = await self._client.request(
                    GATEWAY, "complete", request, reply=Completion, timeout=seconds, absent=min(30.0, seconds)
                )
            except (RequestError, BadMessage) as error:
                if self._client.ended.done():
                    raise
                draft.fallback.append(f"the selecting model failed: {error}")
                break
            draft.usage.append(completion.usage)
            speaker = dialogue.answer(completion.content)
            draft.answers[:] = dialogue.answers
            if speaker:
                return speaker, f"chosen by the model {completion.model or options.selector_model}"
        else:
            draft.fallback.append(f"the selecting model named no single candidate in {len(dialogue.answers)} answers")
        return self._rotate(situation, narrowed), "next in rotation, as the model did not decide"

    async def _by_person(self, situation: Situation, narrowed: Candidates, draft: _Draft) -> tuple[str, str]:
        members = [self._roster.member(name) for name in narrowed.names]
        complaint = ""
        for number in range(MANUAL_TRIES):
            question = manual_question(situation.chat, members, narrowed.names, complaint, self._options.asking)
            answer = await self._ask(_question_id(situation, number), question)
            choice = manual_choice(answer.text, narrowed.names)
            if choice:
                return choice, f"chosen by {answer.by or 'a person'}"
            if choice == "":
                draft.fallback.append("the person left the choice open")
                break
            complaint = f"{answer.text!r} is neither a number nor a name of the list."
        else:
            draft.fallback.append(f"no answer of the person made sense in {MANUAL_TRIES} tries")
        return await self._by_model(situation, narrowed, draft)

    async def _by_vote(self, situation: Situation, narrowed: Candidates, draft: _Draft) -> tuple[str, str]:
        voters = self._voters(situation)
        proposal = speaker_proposal(narrowed.names, voters, self._options.turn_seconds)
        try:
            tally = await vote(self._client, proposal, voters, turn=self._turn, ordinal=situation.votes)
        except BadProposal as error:
            draft.fallback.append(f"nobody can vote: {error}")
            return self._rotate(situation, narrowed), "next in rotation, as nobody can vote"
        draft.usage += plausible(tally.usage)
        draft.tally = msgspec.structs.replace(tally, usage=())
        speaker, reason, fallback = elected(tally, self._names, situation.last_speaker)
        if fallback:
            draft.fallback.append(fallback)
        return speaker, reason

    async def _poll(self, situation: Situation, text: str, number: int) -> Tally:
        """Let the members vote on a question of the stop condition."""
        voters = self._voters(situation)
        proposal = stop_proposal(text, voters, self._options.turn_seconds)
        return await vote(self._client, proposal, voters, turn=self._turn, ordinal=situation.votes + number)

    def _voters(self, situation: Situation) -> tuple[str, ...]:
        return tuple(name for name in self._names if name not in situation.muted)

    async def _by_function(
        self, function: Callable[..., Any], situation: Situation, draft: _Draft
    ) -> Chosen | Round | Unchosen | None:
        """What a user's function decides; None: a method does, which the draft names."""
        try:
            async with asyncio.timeout(self._options.turn_seconds):
                value = await _call(function, situation)
        except TimeoutError:
            value = _Problem(f"the selection function took longer than {self._options.turn_seconds:g} s")
        except Exception as error:  # somebody else's function must not end the chat
            log.warning("the selection function failed", exc_info=True)
            value = _Problem(f"the selection function raised {type(error).__name__}: {error}")
        if value is None:
            return Unchosen("ended", "the selection function ended the chat")
        several = _several(value)
        if isinstance(value, _Problem):
            problem = value.text
        elif several is not None:
            wrong = [self._wrong(name, situation) for name in several.names]
            choices = tuple(self._by_will(name, situation) for name, bad in zip(several.names, wrong, strict=True) if not bad)
            if choices:
                return Round(choices, several.need if len(choices) == len(wrong) else min(several.need, len(choices)))
            problem = "; ".join(wrong) or "the selection function returned an empty list"
        else:
            name = str(getattr(value, "name", value))
            problem = self._wrong(name, situation)
            if not problem:
                return self._by_will(name, situation)
            if name.lower() in METHODS and name not in self._names:
                draft.method = name.lower()
                return None
        draft.method = "round_robin"
        draft.fallback.append(problem)
        return None

    def _wrong(self, name: str, situation: Situation) -> str:
        """Why a function's choice cannot speak; empty: it can."""
        if name not in self._names:
            return f"the selection function returned {name[:200]!r}, no member"
        if name in situation.muted:
            return f"the selection function chose {name}, who is muted"
        if situation.failures.get(name, 0) >= SECOND_CHANCE:
            return f"the selection function chose {name}, whose turns fail"
        return ""

    def _by_will(self, name: str, situation: Situation) -> Chosen:
        reason = "chosen by the selection function"
        return Chosen(name, Why(sequence=situation.sequence, speaker=name, method="callable", reason=reason))


def _several(value: Any) -> Several | None:
    """Several speakers at once, when that is what a function returned."""
    if isinstance(value, Several):
        return Several(tuple(dict.fromkeys(value.names)), value.need)
    if isinstance(value, list | tuple):
        return Several(tuple(dict.fromkeys(str(getattr(one, "name", one)) for one in value)))
    return None


class _Problem:
    def __init__(self, text: str) -> None:
        self.text = text


async def _call(function: Callable[..., Any], situation: Situation) -> Any:
    """Call a user's function: an async one here, a plain one in a thread."""
    messages = list(situation.messages)
    last_speaker = situation.last_speaker or (messages[-1].name if messages else "")
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        return await function(last_speaker, messages)
    value = await asyncio.to_thread(function, last_speaker, messages)
    return await value if inspect.isawaitable(value) else value


def _question_id(situation: Situation, number: int) -> bytes:
    """The same for the same question after a restart, so that it is the same item of the inbox."""
    return sha256(f"select/{situation.chat}/{situation.row}/{number}".encode()).digest()[:16]


def _chosen(situation: Situation, narrowed: Candidates, draft: _Draft, speaker: str, reason: str) -> Chosen:
    why = Why(
        sequence=situation.sequence,
        speaker=speaker,
        reason=reason,
        method=draft.method,
        candidates=narrowed.names,
        removed=narrowed.removed,
        answers=tuple(draft.answers),
        fallback="; ".join(draft.fallback),
        tally=draft.tally,
    )
    return Chosen(speaker, why, tuple(draft.usage))
