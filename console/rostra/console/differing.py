"""Where two chats part. Pure: two transcripts in, their difference out."""

from collections.abc import Iterator, Sequence

from rostra.protocol.chat import ChatMessage, Payload

from .terminal import Style, clean, shorten


class Difference(Payload, frozen=True, kw_only=True):
    """`common`: how many first messages both have; `one`, `other`: what only one of them has, after these."""

    common: int
    one: tuple[ChatMessage, ...] = ()
    other: tuple[ChatMessage, ...] = ()


def compare(one: Sequence[ChatMessage], other: Sequence[ChatMessage]) -> Difference:
    """Compare two transcripts message by message: who said it, and everything that was said."""
    common = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        common += 1
    return Difference(common=common, one=tuple(one[common:]), other=tuple(other[common:]))


def lines(difference: Difference, one: str, other: str, style: Style) -> Iterator[str]:
    """A difference for people, in the manner of `diff`; `one` and `other` are the ids of the chats."""
    if not difference.one and not difference.other:
        yield f"both have the same {difference.common} messages"
        return
    yield f"the first {difference.common} messages are the same" if difference.common else "they have nothing in common"
    for sign, chat, messages in (("-", one, difference.one), ("+", other, difference.other)):
        yield style.bold(f"{sign * 3} {chat}: {len(messages)} more")
        for message in messages:
            line = f"{sign} [{message.sequence}] {clean(message.name)}: {_said(message)}"
            short = shorten(line, style.width - 1, style.sign("…")) if style.wrap else " ".join(clean(line).split())
            yield style.bad(short) if sign == "-" else style.good(short)


def _said(message: ChatMessage) -> str:
    calls = [f"{call.name}({call.arguments})" for call in message.tool_calls]
    answers = [f"{answer.name or answer.id}: {answer.content}" for answer in message.tool_responses]
    return " ".join([*([message.text] if message.text else []), *calls, *answers])
