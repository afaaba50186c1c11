"""Holding a vote over the bus: every voter is asked at once, and the tally made of what came back in time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .chat import Turn, VoteRequest
from .errors import BadMessage, RequestError
from .ids import new_id
from .poll import Poll
from .voting import Ballot, Proposal, Tally

if TYPE_CHECKING:
    from .client import Client


async def vote(
    client: "Client",
    proposal: Proposal,
    voters: Sequence[str],
    *,
    turn: Callable[[str], Turn] | None = None,
    ordinal: int = 0,
) -> Tally:
    """Ask `voters` (names of agents) to vote on `proposal`, and count.

    Ends when everybody has answered, at the latest after the proposal's `seconds`. Who is dead, silent or unable is absent, and
    raises nothing. In a chat `turn` says what a voter has not seen of it, and `ordinal` how many votes it has had before.
    Raises `BadProposal`, and what ended the client's session if that is over.
    """
    poll = Poll(proposal, voters)
    now = asyncio.get_running_loop().time
    begun = now()

    async def ask(voter: str) -> None:
        wish = VoteRequest(proposal=proposal, turn=turn(voter) if turn else None, ordinal=ordinal)
        try:
            ballot = await client.request(voter, "vote", wish, reply=Ballot, timeout=proposal.seconds)
        except (RequestError, BadMessage) as error:
            if client.ended.done():
                raise
            poll.miss(voter, f"{error.code}: {error}")
        else:
            poll.cast(voter, ballot, now() - begun)

    asked = [asyncio.ensure_future(ask(voter)) for voter in poll.voters]
    try:
        await asyncio.gather(*asked)
    finally:
        for one in asked:
            one.cancel()
    return poll.close(seed=new_id().hex())
