"""What a member is sent when it is its turn, and what is kept of what it answers. Pure."""

from collections.abc import Callable, Iterable

from rostra.protocol import ChatMessage, Member, Turn

from .fit import prefix
from .ledger import Ledger

JOINED = "You joined this conversation later. What was said before:"
PASSES = "When it is your turn and you have nothing to add, answer with the one word PASS."


def brief(ledger: Ledger, member: str, *, chat: str, epoch: int, introduction: Callable[[], str] = str) -> Turn:
    """The turn of `member`: what came after its own last message, as far as a frame holds it.

    `introduction`: what it is told before it has spoken.
    """
    summary = ledger.floor.summaries.get(member, "")
    told = f"{JOINED}\n{summary}" if summary else ""
    own, total = ledger.own.get(member, 0), len(ledger.messages)
    fits = prefix(ledger.weights[index] for index in range(total - 1, own - 1, -1)) if total > own else 0
    after = total - fits
    return Turn(
        chat=chat,
        sequence=total + 1,
        epoch=epoch,
        after=after,
        messages=tuple(ledger.messages[after:]),
        introduction="\n\n".join(filter(None, (introduction() if own == 0 else "", told))),
        since=ledger.floor.since.get(member, 0),
        valid=own if ledger.rewound else -1,
    )


def introduced(members: Iterable[Member], *, passes: bool = False) -> str:
    """Who the `members` are, in words, and that a member may pass; empty: there is nothing to tell."""
    lines = [f"{member.name}: {' '.join(member.description.split())}".rstrip(": ") for member in members]
    parts = ["\n".join(["These are the members of this conversation:", *lines])] if lines else []
    return "\n\n".join([*parts, *([PASSES] if passes else [])])


def is_pass(message: ChatMessage) -> bool:
    """Whether a message says `PASS`, and nothing else."""
    return not message.tool_calls and message.text.strip().strip(".!*_`\"'").upper() == "PASS"


def as_kept(message: ChatMessage, speaker: str, sequence: int) -> ChatMessage:
    """A member's message as the transcript keeps it: nobody speaks in another's name, or as the system."""
    return ChatMessage(
        content=message.content,
        role="assistant" if message.role == "system" else message.role,
        name=speaker,
        tool_calls=message.tool_calls,
        tool_responses=message.tool_responses,
        sequence=sequence,
        metadata=message.metadata,
    )
