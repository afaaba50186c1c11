"""A tool with which a member lets the members of its chat vote. In a team file: `tools = ["rostra.agents:call_vote"]`."""

from hashlib import blake2b
from typing import Annotated

from rostra.agents.responder import Context
from rostra.protocol import COORDINATOR, Proposal, Tally
from rostra.protocol.chat import ChatVote
from rostra.protocol.frames import encode_body
from rostra.protocol.voting import Method

from .function_tool import tool

SLACK = 15.0
"""Seconds that the coordinator may take beside the vote itself."""


@tool(repeatable=True)
async def call_vote(
    context: Context,
    text: Annotated[str, "What is voted on: a question, or a proposal."],
    options: Annotated[list[str], "What can be voted for, two options at least."],
    method: Annotated[Method, "How votes decide; for `ranked` and `approval` a ballot may name several options."] = "majority",
    seconds: Annotated[float, "How long ballots are taken."] = 60.0,
) -> str:
    """Let all members of this conversation vote, and learn what they decided. The vote goes on record."""
    if not context.chat or context.client is None:
        raise RuntimeError("there is no conversation whose members could vote")
    proposal = Proposal(text=text, options=tuple(options), method=method, seconds=seconds)
    wish = ChatVote(chat=context.chat, proposal=proposal)
    # A turn that is done again finds its vote, instead of holding it twice.
    id_ = blake2b(context.turn + encode_body(wish), digest_size=16, person=b"rostra vote").digest()
    tally: Tally = await context.client.request(
        COORDINATOR, "chat.vote", wish, reply=Tally, timeout=seconds + SLACK, absent=SLACK, id=id_
    )
    return told(tally)


def told(tally: Tally) -> str:
    """A tally as a model reads it."""
    lines = [f"Decision: {tally.winner}" if tally.winner else "No decision", f"Because: {tally.reason}"]
    for ballot in tally.ballots:
        voter = ballot.voter or "somebody"
        lines.append(f"{voter}: {' > '.join(ballot.choices) or 'abstains'}" + (f" ({ballot.reason})" if ballot.reason else ""))
    lines += [f"{voter} did not vote ({why})" for voter, why in tally.absent.items()]
    return "\n".join(lines)
