"""Votes of a chat's members: who speaks next, whether the task is done, or what somebody proposes. Pure."""

from collections.abc import Sequence

import msgspec

from rostra.protocol import Proposal, Tally
from rostra.protocol.chat import Why

from .facts import plausible
from .rows import Row
from .selection import rotation

YES, NO = "yes", "no"
"""The options of a vote in a stop expression."""


def speaker_proposal(candidates: Sequence[str], voters: Sequence[str], seconds: float) -> Proposal:
    """Who speaks next: the most votes, when more than half of the members vote; of a tie, who is next in rotation."""
    text = "Who of the members of this conversation should speak next?"
    return Proposal(text=text, options=tuple(candidates), method="plurality", quorum=half(voters), seconds=seconds)


def stop_proposal(text: str, voters: Sequence[str], seconds: float) -> Proposal:
    """Whether a condition is met: yes or no, by majority, when more than half of the members vote."""
    return Proposal(text=text, options=(YES, NO), method="majority", quorum=half(voters), seconds=seconds)


def half(voters: Sequence[str]) -> int:
    """How many voters are more than half of them."""
    return len(voters) // 2 + 1


def elected(tally: Tally, names: Sequence[str], last_speaker: str) -> tuple[str, str, str]:
    """Who speaks after a vote on it, why, and what had to be done instead (empty: it decided)."""
    if tally.winner:
        return tally.winner, f"voted by the members: {tally.reason}", ""
    among = tally.tied or tally.proposal.options
    what = "of the tied, next in rotation" if tally.tied else "next in rotation, as the vote did not decide"
    return rotation(names, last_speaker, among), what, tally.reason


def vote_row(number: int, id_: bytes, speaker: str, tally: Tally, *, sequence: int, epoch: int, now_ms: int) -> Row:
    """The row of a vote that `speaker` called with the request `id_`, after the message `sequence`. It is no message."""
    kept = msgspec.structs.replace(tally, usage=())
    return Row(
        number=number,
        kind="vote",
        turn=id_,
        speaker=speaker,
        state="done",
        epoch=epoch,
        why=Why(sequence=sequence, speaker=speaker, reason=f"{tally.proposal.text} {_outcome(tally)}", method="vote", tally=kept),
        usage=plausible(tally.usage),
        asked_ms=now_ms,
        done_ms=now_ms,
    )


def _outcome(tally: Tally) -> str:
    return f"→ {tally.winner}: {tally.reason}" if tally.winner else f"→ no decision: {tally.reason}"
