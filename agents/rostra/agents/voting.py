"""How an agent comes to its ballot: by a `vote` of its own, or by what it would answer to the proposal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from rostra.protocol import Ballot, ChatMessage, Proposal, Question, TimedOut
from rostra.protocol.completion import CompletionRequest

from .adapt import accepts, call
from .ballots import instruction, question, read_ballot
from .prompt import build_prompt
from .responder import Context, Responder

if TYPE_CHECKING:
    from .conversable import ConversableAgent
    from .models.base import ModelClient

PROPOSAL = "proposal"
"""Key in the `metadata` of a message that asks for a vote: the proposal, as a map."""
VOTER = ":vote"
"""Stands after an agent's name where its model is asked for a vote: a scripted model has a list of its own for that."""
TRIES = 2
"""How often a model or a person is asked before the ballot is an abstention."""


async def cast(responder: Responder, proposal: Proposal, context: Context) -> Ballot:
    """The ballot of an agent.

    A responder may have `vote(proposal, context)`, async or plain, that returns a `Ballot`, text that names an option, a list of
    options, or None. Without it the proposal is said to it, and its answer read; an answer that is no vote is an abstention.
    """
    vote = getattr(responder, "vote", None)
    if callable(vote):
        return _ballot(await call(vote, *(proposal, context)[: accepts(vote, most=2)]), proposal)
    asked = ChatMessage(content=question(proposal), name=context.sender, metadata={PROPOSAL: msgspec.to_builtins(proposal)})
    context.history = (*context.history, asked)
    answer = await responder.respond(asked, context)
    return _ballot(answer.text if isinstance(answer, ChatMessage) else answer, proposal)


async def vote_of(agent: "ConversableAgent", proposal: Proposal, context: Context) -> Ballot:
    """The vote of a conversable agent: its person's where a person answers for it, else its model's; else it abstains.

    Raises `ModelError`, and `TimedOut` when its person did not answer: it is absent then.
    """
    if agent.human_input_mode == "ALWAYS" or (agent.human_input_mode == "TERMINATE" and agent.model is None):
        return await _by_person(agent, proposal, context)
    if agent.model is not None:
        return await _by_model(agent, agent.model, proposal, context)
    return Ballot(reason=f"{agent.name} has neither a person nor a model that votes")


async def _by_person(agent: "ConversableAgent", proposal: Proposal, context: Context) -> Ballot:
    complaint = ""
    for _ in range(TRIES):
        asked = Question(
            text=complaint + question(proposal),
            chat=context.chat,
            agent=agent.name,
            options=proposal.options,
            default="",
            seconds=proposal.seconds,
            assignee=agent.asking.assignee,
        )
        answer = await agent.person(context).ask(asked)
        if not answer.by:
            raise TimedOut(f"the person of {agent.name} did not answer")
        if not answer.text.strip():
            return Ballot()
        ballot = read_ballot(answer.text, proposal)
        if ballot is not None:
            return ballot
        complaint = f"{answer.text[:200]!r} is no vote.\n"
    return Ballot(reason="the person gave no answer that is a vote")


async def _by_model(agent: "ConversableAgent", model: "ModelClient", proposal: Proposal, context: Context) -> Ballot:
    prompt = build_prompt(context.history, agent.name, agent.system_message, context.introduction)
    prompt.append(ChatMessage(content=question(proposal)))
    for _ in range(TRIES):
        request = CompletionRequest(
            messages=tuple(prompt),
            model=agent.model_name,
            options=agent.model_options,
            agent=agent.name + VOTER,
            ordinal=context.ordinal,
            chat=context.chat,
        )
        completion = await model.complete(request)
        context.usage.append(completion.usage)
        ballot = read_ballot(completion.content, proposal)
        if ballot is not None:
            return ballot
        prompt += [
            ChatMessage(role="assistant", content=completion.content[:4000]),
            ChatMessage(content=f"That is no vote. {instruction(proposal)}"),
        ]
    return Ballot(reason="the model gave no answer that is a vote")


def _ballot(said: Any, proposal: Proposal) -> Ballot:
    match said:
        case Ballot():
            return said
        case None:
            return Ballot()
        case str():
            return read_ballot(said, proposal) or Ballot(reason=f"no vote: {said}")
        case Sequence() if all(isinstance(each, str) for each in said):
            return Ballot(choices=tuple(said))
        case _:
            kind = type(said).__name__
            raise TypeError(f"a vote is a Ballot, text, a list of options or None, not {kind}")
