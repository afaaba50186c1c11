"""A vote while it is held: takes ballots as they come, and says which count. Pure."""

from collections.abc import Sequence

import msgspec

from .counting import decide
from .voting import MAX_REASON, MAX_USAGES, Ballot, Proposal, Tally, check_proposal, problem


class Poll:
    """The ballots of `voters` on `proposal`. Raises `BadProposal`.

    The first valid ballot of a voter counts, if it comes in time.
    """

    def __init__(self, proposal: Proposal, voters: Sequence[str]) -> None:
        self.proposal, self.voters = check_proposal(proposal, voters), tuple(voters)
        self._ballots: dict[str, Ballot] = {}
        self._absent: dict[str, str] = {}
        self._rejected: list[tuple[str, str]] = []

    @property
    def complete(self) -> bool:
        """Everybody has voted, or is known to be absent."""
        return all(voter in self._ballots or voter in self._absent for voter in self.voters)

    def cast(self, voter: str, ballot: Ballot, seconds: float) -> str:
        """Take a ballot `seconds` after the vote began; returns why it does not count, empty when it does."""
        why = self._why_not(voter, ballot, seconds)
        if why:
            self._rejected.append((voter, why))
            if voter in self.voters and voter not in self._ballots:
                self._absent[voter] = f"its ballot is {why}"
            return why
        self._absent.pop(voter, None)
        kept = {"voter": voter, "reason": ballot.reason[:MAX_REASON], "usage": ballot.usage[:MAX_USAGES]}
        self._ballots[voter] = msgspec.structs.replace(ballot, **kept)
        return ""

    def miss(self, voter: str, why: str) -> None:
        """Know that a voter will not vote; `why` is a few words."""
        if voter in self.voters and voter not in self._ballots:
            self._absent.setdefault(voter, why)

    def close(self, seed: str = "") -> Tally:
        """Count. `seed`: of a draw, where the proposal has none."""
        proposal = self.proposal
        if proposal.tie == "draw" and not proposal.seed:
            proposal = msgspec.structs.replace(proposal, seed=seed)
        counted = [self._ballots[voter] for voter in self.voters if voter in self._ballots]
        decision = decide(proposal, counted)
        shown = [msgspec.structs.replace(ballot, usage=()) for ballot in counted]
        if proposal.secret:
            shown = sorted((Ballot(choices=ballot.choices) for ballot in counted), key=lambda ballot: ballot.choices)
        return Tally(
            proposal=proposal,
            winner=decision.winner,
            reason=decision.reason,
            scores=decision.scores,
            rounds=decision.rounds,
            tied=decision.tied,
            ballots=tuple(shown),
            voted=tuple(ballot.voter for ballot in counted),
            abstentions=sum(not ballot.choices for ballot in counted),
            absent={voter: self._absent.get(voter, "did not vote") for voter in self.voters if voter not in self._ballots},
            rejected=tuple(self._rejected),
            usage=tuple(usage for ballot in counted for usage in ballot.usage),
        )

    def _why_not(self, voter: str, ballot: Ballot, seconds: float) -> str:
        if voter not in self.voters:
            return "of a stranger"
        if voter in self._ballots:
            return "a duplicate"
        if seconds > self.proposal.seconds:
            return "late"
        return problem(self.proposal, ballot)
