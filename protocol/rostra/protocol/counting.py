"""From ballots to a decision, a function for each method. Pure; weights are added exactly."""

import random
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from .voting import Ballot, Proposal

Scores = dict[str, Fraction]


class Decision(msgspec.Struct, frozen=True):
    """What the ballots decide: see the fields of `Tally`."""

    winner: str
    reason: str
    scores: dict[str, float] = {}
    rounds: tuple[dict[str, float], ...] = ()
    tied: tuple[str, ...] = ()


def decide(proposal: Proposal, ballots: Sequence[Ballot]) -> Decision:
    """What valid `ballots`, one a voter and each with its `voter`, decide; abstentions count for the quorum only."""
    cast = [ballot for ballot in ballots if ballot.choices]
    if len(ballots) < proposal.quorum:
        scores = _plain(_scores(proposal, cast))
        return Decision("", f"no quorum: {_count(len(ballots), 'ballot')}, and {proposal.quorum} are needed", scores)
    if not cast:
        return Decision("", "everybody abstained" if ballots else "nobody voted", _plain(_scores(proposal, ())))
    match proposal.method:
        case "majority":
            return _majority(proposal, cast, "votes")
        case "weighted":
            return _majority(proposal, cast, "weight")
        case "plurality":
            return _most(proposal, cast, "votes")
        case "approval":
            return _most(proposal, cast, "approvals")
        case "unanimous":
            return _unanimous(proposal, cast)
        case "ranked":
            return _run_off(proposal, cast)


def _majority(proposal: Proposal, cast: Sequence[Ballot], unit: str) -> Decision:
    scores = _scores(proposal, cast)
    total, most = sum(scores.values(), Fraction()), max(scores.values())
    leaders = [option for option, score in scores.items() if score == most]
    if 2 * most > total:
        reason = f"{leaders[0]!r} has {_number(most)} of {_number(total)} {unit}"
        return Decision(leaders[0], reason, _plain(scores))
    if total and 2 * most == total and len(leaders) == 2:
        return _tie(proposal, cast, leaders, scores, f"each has half of the {unit}")
    return Decision("", f"no option has more than half of {_number(total)} {unit}", _plain(scores))


def _most(proposal: Proposal, cast: Sequence[Ballot], unit: str) -> Decision:
    scores = _scores(proposal, cast)
    most = max(scores.values())
    leaders = [option for option, score in scores.items() if score == most]
    if len(leaders) > 1:
        return _tie(proposal, cast, leaders, scores, f"each has {_number(most)} {unit}")
    reason = f"{leaders[0]!r} has the most {unit}, {_number(most)} of {_number(sum(scores.values(), Fraction()))}"
    return Decision(leaders[0], reason, _plain(scores))


def _unanimous(proposal: Proposal, cast: Sequence[Ballot]) -> Decision:
    scores = _scores(proposal, cast)
    chosen = [option for option, score in scores.items() if score]
    if len(chosen) == 1:
        return Decision(chosen[0], f"{chosen[0]!r} has all of {_count(len(cast), 'vote')}", _plain(scores))
    return Decision("", f"not unanimous: {len(chosen)} options have votes", _plain(scores))


def _run_off(proposal: Proposal, cast: Sequence[Ballot]) -> Decision:
    """Instant run-off: who has the fewest first places goes, its ballots pass on, until one has more than half of what is left.

    A tie for the last place is decided by the tie rule; where that is `none`, all who are tied go at once.
    """
    remaining = list(proposal.options)
    rounds: list[dict[str, float]] = []
    tied: list[str] = []
    while True:
        firsts = [next(choice for choice in ballot.choices if choice in remaining) for ballot in _alive(cast, remaining)]
        scores = {option: Fraction(firsts.count(option)) for option in remaining}
        rounds.append(_plain(scores))
        most, fewest = max(scores.values()), min(scores.values())
        if 2 * most > len(firsts):
            winner = next(option for option in remaining if scores[option] == most)
            reason = f"{winner!r} has {_number(most)} of {_count(len(firsts), 'vote')} in round {len(rounds)}"
            return Decision(winner, reason, rounds[-1], tuple(rounds), tuple(tied))
        last = [option for option in remaining if scores[option] == fewest]
        out = ""
        if len(last) == 1:
            out = last[0]
        elif fewest:  # who has no first place has nothing to pass on: there is no tie to decide
            tied, out = last, _eliminated(proposal, cast, last, len(rounds))
        if not out and len(last) == len(remaining):
            reason = f"a tie between {_listed(last)} in round {len(rounds)}{_undecided(proposal)}"
            return Decision("", reason, rounds[-1], tuple(rounds), tuple(last))
        remaining = [option for option in remaining if (option != out if out else option not in last)]


def _eliminated(proposal: Proposal, cast: Sequence[Ballot], last: Sequence[str], number: int) -> str:
    """Which of several options with equally few first places goes; empty: no rule says."""
    match proposal.tie:
        case "none":
            return ""
        case "first":
            return last[-1]
        case "draw":
            return _drawn(f"{proposal.seed}/{number}", last)
        case "chair":
            ranking = _choices(cast, proposal.chair)
            unranked = [option for option in last if option not in ranking]
            return (unranked[0] if len(unranked) == 1 else "") if unranked else max(last, key=ranking.index)


def _tie(proposal: Proposal, cast: Sequence[Ballot], tied: Sequence[str], scores: Scores, how: str) -> Decision:
    between = f"a tie between {_listed(tied)} ({how})"
    winner, rule = "", ""
    match proposal.tie:
        case "first":
            winner, rule = tied[0], "stands first"
        case "draw":
            winner, rule = _drawn(proposal.seed, tied), "was drawn"
        case "chair":
            named = [choice for choice in _choices(cast, proposal.chair) if choice in tied]
            winner, rule = named[0] if len(named) == 1 else "", f"is the choice of {proposal.chair}"
    reason = f"{between}; {winner!r} {rule}" if winner else between + _undecided(proposal)
    return Decision(winner, reason, _plain(scores), tied=tuple(tied))


def _undecided(proposal: Proposal) -> str:
    return f", which the ballot of {proposal.chair} does not decide" if proposal.tie == "chair" else ""


def _scores(proposal: Proposal, cast: Iterable[Ballot]) -> Scores:
    """What each option has, counting all choices of a ballot (`ranked`: the first one only)."""
    scores = dict.fromkeys(proposal.options, Fraction())
    for ballot in cast:
        weight = _weight(proposal.weights, ballot.voter)
        for choice in ballot.choices[:1] if proposal.method == "ranked" else ballot.choices:
            scores[choice] += weight
    return scores


def _weight(weights: Mapping[str, float], voter: str) -> Fraction:
    return Fraction(repr(weights.get(voter, 1.0)))  # as written: 0.1 and 0.2 are 0.3


def _alive(cast: Iterable[Ballot], remaining: Sequence[str]) -> list[Ballot]:
    return [ballot for ballot in cast if any(choice in remaining for choice in ballot.choices)]


def _choices(cast: Iterable[Ballot], voter: str) -> tuple[str, ...]:
    return next((ballot.choices for ballot in cast if ballot.voter == voter), ())


def _drawn(seed: str, among: Sequence[str]) -> str:
    return random.Random(f"rostra vote/{seed}").choice(among)  # to be repeated by whoever knows the seed


def _plain(scores: Scores) -> dict[str, float]:
    return {option: float(score) for option, score in scores.items()}


def _number(score: Fraction) -> str:
    return f"{float(score):g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(options: Sequence[str]) -> str:
    return f"{', '.join(map(repr, options[:-1]))} and {options[-1]!r}"
