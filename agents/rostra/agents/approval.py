"""A person's yes before something is done, and good for exactly that: it is bound to a digest of what would be done."""

import json
import unicodedata
from hashlib import sha256
from typing import Any

import msgspec

from rostra.protocol import Question, RequestError, RostraError
from rostra.protocol.people import MAX_DETAIL, Asking, QuestionKind

from .human import NobodyToAsk, TerminalInput
from .responder import HumanInput

DECLINE = "no"
"""What holds when the time is up."""


class Denied(RostraError):
    """What was to be done is not done: a person said no, or nobody said yes."""

    code = "refused"


class Approval(msgspec.Struct, frozen=True):
    """A person's yes to what has this digest."""

    digest: str
    by: str = ""


def digest_of(value: Any) -> str:
    """The SHA-256, hexadecimal, of plain values as canonical JSON: nothing can move from one of them into the next."""
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def visible(text: str) -> str:
    """`text` with what a screen would hide or reorder (controls, bidirectional marks, zero widths) as escapes: `\\u202e`."""
    return "".join(_shown(one) for one in text) if not text.isascii() or not text.isprintable() else text


def _shown(one: str) -> str:
    hidden = unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn") and one not in "\n\t"
    return one.encode("unicode_escape", "surrogatepass").decode() if hidden else one


async def approved(
    human: HumanInput | None, asking: Asking, *, kind: QuestionKind, text: str, detail: str, digest: str, agent: str, chat: str
) -> Approval:
    """Show `detail` to a person and return the approval.

    `human`: where people are asked; None: at this terminal. Raises `Denied` for a no, when nobody answers in time, when nobody
    can be asked, and when the answer is to something else.
    """
    if len(detail) > MAX_DETAIL:
        raise Denied(f"it has {len(detail)} characters, and a person is shown {MAX_DETAIL} at most")
    question = Question(
        text=text,
        chat=chat,
        agent=agent,
        options=("yes", "no"),
        default=DECLINE if asking.seconds else None,
        seconds=asking.seconds,
        assignee=asking.assignee,
        kind=kind,
        form="approval",
        detail=visible(detail),
        digest=digest,
    )
    try:
        answer = await (human or TerminalInput()).ask(question)
    except (RequestError, NobodyToAsk) as error:
        raise Denied(f"nobody approved it: {error}") from error
    if not answer.by and answer.text == DECLINE and asking.seconds:
        raise Denied(f"nobody approved it within {asking.seconds:g} s")
    if not answer.agrees:
        reason = answer.text.strip().removeprefix("no:").strip()
        more = "" if reason.casefold() in ("", "n", "no", "deny", "denied") else f": {reason}"
        raise Denied(f"{answer.by or 'a person'} did not approve it{more}")
    if answer.digest != digest:
        raise Denied("what was approved is something else")
    return Approval(digest, answer.by)
