"""Votes: what is proposed, what a ballot says, and what came of it (docs/collaboration.md). How they are counted: `counting`."""

import math
from collections.abc import Sequence
from typing import Literal

from .errors import RostraError
from .payload import Payload, Usage

Method = Literal["majority", "plurality", "approval", "ranked", "weighted", "unanimous"]
"""How ballots make a decision: an option decides with

majority: more than half of the votes cast; plurality: more votes than any other; approval: a ballot may name several options, the
one most often named; ranked: instant run-off, a ballot names options best first; weighted: more than half of the weight cast;
unanimous: every vote cast."""
TieRule = Literal["none", "first", "draw", "chair"]
"""What is done about a tie. none: no decision; first: the option that stands first in the proposal; draw: drawn with the
proposal's seed; chair: the ballot of the voter `chair` decides, if it tells the tied apart."""

METHODS: tuple[Method, ...] = ("majority", "plurality", "approval", "ranked", "weighted", "unanimous")
TIE_RULES: tuple[TieRule, ...] = ("none", "first", "draw", "chair")
MAX_TEXT = 20_000
"""Characters of a proposal's text."""
MAX_OPTIONS = 100
MAX_BYTES = 600_000
MAX_NODES = 6_000
"""What a tally may come to, so that it travels in a frame with its envelope."""
MAX_WEIGHT = 1e12
MAX_REASON = 500
"""Characters of a ballot's reason that are kept."""
MAX_USAGES = 20
"""Completions that one ballot may be charged for."""
ABSTAIN = "abstain"
"""What a person or a model says who does not want to vote; no option is called so."""


class BadProposal(RostraError, ValueError):
    """Nobody can vote on this; the message says why."""

    code = "refused"


class Proposal(Payload, frozen=True, kw_only=True):
    """What is voted on, and by which rules."""

    text: str
    options: tuple[str, ...]
    method: Method = "majority"
    quorum: int = 0
    """Ballots, abstentions included, without which there is no decision."""
    seconds: float = 60.0
    """How long ballots are taken."""
    tie: TieRule = "none"
    chair: str = ""
    """The voter whose ballot decides a tie, where `tie` is `chair`."""
    weights: dict[str, float] = {}
    """Voter → weight, for `weighted`; who is not there weighs 1."""
    secret: bool = False
    """Nobody but who counts learns who voted how: the tally holds the ballots without names and reasons, sorted."""
    seed: str = ""
    """Of a draw; empty: whoever counts makes one, after the last ballot."""


class Ballot(Payload, frozen=True, kw_only=True):
    """The answer to the request `vote`. No choices: an abstention."""

    choices: tuple[str, ...] = ()
    """Options of the proposal: one; several where the method is `approval`; best first where it is `ranked`."""
    reason: str = ""
    voter: str = ""
    """Filled in by who counts: nobody votes in another's name."""
    usage: tuple[Usage, ...] = ()
    """What the ballot cost its voter's model."""


class Tally(Payload, frozen=True, kw_only=True):
    """What came of a vote."""

    proposal: Proposal
    winner: str = ""
    """The option that was chosen; empty: there is no decision."""
    reason: str = ""
    """Why, a sentence."""
    scores: dict[str, float] = {}
    """Votes, approvals or weight of each option; where the method is `ranked`, of the last round."""
    rounds: tuple[dict[str, float], ...] = ()
    """ranked: the votes of the options still in, round by round."""
    tied: tuple[str, ...] = ()
    """The options between which there was a tie, whether or not a rule decided it."""
    ballots: tuple[Ballot, ...] = ()
    """Those that count, in the order of the voters."""
    voted: tuple[str, ...] = ()
    """Whose ballots count, abstentions included."""
    abstentions: int = 0
    absent: dict[str, str] = {}
    """Who did not vote, and why not: dead, too late, no valid ballot."""
    rejected: tuple[tuple[str, str], ...] = ()
    """Ballots that do not count: whose, and why not (a duplicate, late, of a stranger, invalid)."""
    usage: tuple[Usage, ...] = ()
    """What the ballots cost."""

    @property
    def decided(self) -> bool:
        """Whether an option was chosen."""
        return bool(self.winner)


def check_proposal(proposal: Proposal, voters: Sequence[str]) -> Proposal:
    """Return `proposal` when `voters` can vote on it; raise `BadProposal` with a sentence otherwise."""
    if not proposal.text.strip():
        raise BadProposal("a proposal needs a text")
    if len(proposal.text) > MAX_TEXT:
        raise BadProposal(f"a text of {len(proposal.text)} characters; {MAX_TEXT} is the limit")
    options = proposal.options
    if not 2 <= len(options) <= MAX_OPTIONS:
        raise BadProposal(f"options: there are {len(options)}; 2 to {MAX_OPTIONS} are wanted")
    spelled = [_folded(option) for option in options]
    for option, folded in zip(options, spelled, strict=True):
        if not folded or folded == ABSTAIN:
            raise BadProposal(f"options: {option!r} is no option")
        if spelled.count(folded) > 1:
            raise BadProposal(f"options: {option!r} is there twice")
    if not voters:
        raise BadProposal("there are no voters")
    several = proposal.method in ("approval", "ranked")
    sizes = [4 * len(option) + 8 for option in options]
    if len(voters) * ((sum(sizes) if several else max(sizes)) + MAX_REASON + 100) > MAX_BYTES:
        raise BadProposal(f"{len(voters)} voters and {len(options)} options of that length make more than a tally can hold")
    if len(voters) * (4 + (len(options) if several else 1)) > MAX_NODES:
        raise BadProposal(f"{len(voters)} voters and {len(options)} options make more than a tally can hold")
    for voter in voters:
        if voters.count(voter) > 1:
            raise BadProposal(f"{voter!r} is a voter twice")
    if not 0 <= proposal.quorum <= len(voters):
        raise BadProposal(f"quorum: {proposal.quorum} of {len(voters)} voters can never vote")
    if not (math.isfinite(proposal.seconds) and proposal.seconds > 0):
        raise BadProposal("seconds: must be positive")
    if (proposal.tie == "chair") != bool(proposal.chair):
        raise BadProposal('chair: is named where, and only where, tie is "chair"')
    if proposal.chair and proposal.chair not in voters:
        raise BadProposal(f"chair: {proposal.chair!r} is no voter")
    if proposal.chair and proposal.secret:
        raise BadProposal("chair: a casting vote cannot be secret")
    if proposal.weights and proposal.method != "weighted":
        raise BadProposal(f"weights: the method {proposal.method} has none")
    for voter, weight in proposal.weights.items():
        if voter not in voters:
            raise BadProposal(f"weights: {voter!r} is no voter")
        if not 0 <= weight <= MAX_WEIGHT:
            raise BadProposal(f"weights: {voter!r} cannot weigh {weight:g}")
    return proposal


def problem(proposal: Proposal, ballot: Ballot) -> str:
    """Why a ballot is invalid; empty: it is valid."""
    choices = ballot.choices
    for choice in choices:
        if choice not in proposal.options:
            return f"invalid: {choice[:100]!r} is no option"
    if len(set(choices)) < len(choices):
        return "invalid: it names an option twice"
    if len(choices) > 1 and proposal.method not in ("approval", "ranked"):
        return f"invalid: it names {len(choices)} options, and one is wanted"
    return ""


def _folded(option: str) -> str:
    return " ".join(option.split()).casefold()
