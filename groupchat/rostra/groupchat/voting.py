"""The request `chat.vote`: the members of a chat vote on what somebody proposes, and it goes on record."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rostra.protocol import BadProposal, Client, Incoming, Refused, Service, Tally
from rostra.protocol.chat import ChatVote
from rostra.protocol.service import Handler
from rostra.protocol.vote import vote
from rostra.protocol.voting import check_proposal

from .inputs import Voted
from .runner import Runner

if TYPE_CHECKING:
    from .coordinator import Coordinator

CONSOLE = "console-"


class Votes:
    """The votes in a coordinator's chats; their members and consoles may call for one."""

    def __init__(
        self, coordinator: "Coordinator", client: Client, service: Service, after_start: Callable[[Handler], Handler]
    ) -> None:
        self._coordinator, self._client = coordinator, client
        service.method("chat.vote", ChatVote, after_start(self._vote))

    async def _vote(self, wish: ChatVote, request: Incoming) -> Tally:
        runner = self._coordinator.chats.runners.get(wish.chat)
        if runner is None:
            await self._coordinator.transcript.kept(wish.chat)
            raise Refused(f"chat {wish.chat!r} is not running")
        machine, speaker = runner.machine, request.sender.partition("~")[0]
        if speaker not in machine.members and not speaker.startswith(CONSOLE):
            raise Refused(f"{speaker} is no member of chat {wish.chat!r}")
        known = machine.ledger.tallies.get(request.id)
        if known is not None:
            return known
        voters = wish.members or tuple(name for name in machine.members if name not in machine.floor.muted)
        for name in voters:
            if name not in machine.members:
                raise Refused(f"{name!r} is no member of the chat; there are {', '.join(machine.members)}")
        try:
            check_proposal(wish.proposal, voters)
        except BadProposal as error:
            raise Refused(str(error)) from None
        return await self._hold(runner, wish, voters, speaker, request.id)

    async def _hold(self, runner: Runner, wish: ChatVote, voters: tuple[str, ...], speaker: str, id_: bytes) -> Tally:
        machine = runner.machine
        tally = await vote(self._client, wish.proposal, voters, turn=machine.turn_for, ordinal=machine.votes)
        await runner.vote(Voted(id_, speaker, tally))
        return machine.ledger.tallies[id_]
