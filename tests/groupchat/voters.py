"""Members that vote."""

from collections.abc import Callable

from rostra.protocol import Ballot, Client, Incoming, Usage
from rostra.protocol.chat import VoteRequest

from .team import Speak, Speaker

DONE = "Is the task done?"
STOP = f'vote("{DONE}")'


class Voter(Speaker):
    """A member that votes as `choose` says, and remembers what it was asked."""

    def __init__(self, client: Client, choose: Callable[[VoteRequest], str], speak: Speak | None = None) -> None:
        super().__init__(client, speak)
        self.asked: list[VoteRequest] = []
        self._choose = choose
        self.service.method("vote", VoteRequest, self._vote)

    async def _vote(self, wish: VoteRequest, request: Incoming) -> Ballot:
        self.asked.append(wish)
        choice = self._choose(wish)
        return Ballot(choices=(choice,) if choice else (), usage=(Usage(prompt_tokens=3),))


def always(*choices: str) -> Callable[[VoteRequest], str]:
    """The first of `choices` that is an option."""
    return lambda wish: next((each for each in choices if each in wish.proposal.options), "")
