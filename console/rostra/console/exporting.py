"""A whole transcript as Markdown, JSON, JSON Lines or HTML. Pure: a chat, its messages and its rows in, a text out.

JSON and JSON Lines hold every row with its hash, so that `rostra replay` can check them and play the chat again.
"""

import html
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rostra.groupchat.floor import sentence
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatMessage, Control, Payload, Record

from . import jsonlines
from .attachments import attachments
from .terminal import clean
from .texts import clock
from .voting import voted


class Exported(Payload, frozen=True, kw_only=True):
    """A whole chat: at a glance, what was said, and every closed row of its transcript."""

    chat: ChatInfo
    messages: tuple[ChatMessage, ...] = ()
    records: tuple[Record, ...] = ()
    settings: dict[str, Any] = {}
    """How it was begun, and by which rules."""


# A fence begins in the first column only: an indented one may belong to a list, and end with it.
_OPENS = re.compile(r"(`{3,}(?=[^`]*\Z)|~{3,})")
_CLOSES = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*\Z")
_LOADS = re.compile(r"!(?=\[)|<(?=[A-Za-z/!?])")

Render = Callable[[Exported], str]


def _events(info: ChatInfo, messages: Sequence[ChatMessage]) -> list[object]:
    lines: list[object] = [jsonlines.message(said) for said in messages]
    if info.result is not None:
        lines.append(jsonlines.event(ChatEvent(type="result", chat=info.chat, result=info.result)))
    return lines


def _jsonl(chat: Exported) -> str:
    lines: list[object] = [{"type": "chat", "chat": jsonlines.plain(chat.chat), "settings": chat.settings}]
    lines += _events(chat.chat, chat.messages)
    rows = [{"type": "record", "record": msgspec.to_builtins(record)} for record in chat.records]
    place = len(lines) - (chat.chat.result is not None)  # the result is the last line
    return "".join(jsonlines.line(line) + "\n" for line in [*lines[:place], *rows, *lines[place:]])


def _json(chat: Exported) -> str:
    whole = {
        "chat": jsonlines.plain(chat.chat),
        "settings": chat.settings,
        "messages": [jsonlines.message(said) for said in chat.messages],
        "records": [msgspec.to_builtins(record) for record in chat.records],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _parts(message: ChatMessage) -> list[tuple[str, str]]:
    """The pieces of a message: (`text`, …), (`call`, …), (`answer`, …)."""
    parts = [] if message.tool_responses or not message.text else [("text", clean(message.text))]
    parts += [("call", clean(f"{call.name}({call.arguments})")) for call in message.tool_calls]
    parts += [("answer", clean(f"{answer.name or answer.id}:\n{answer.content}")) for answer in message.tool_responses]
    return parts


class Aside(msgspec.Struct, frozen=True):
    """What stands beside the messages: lines, and what they are about word by word."""

    lines: tuple[str, ...]
    detail: str = ""


def _asides(chat: Exported) -> dict[int, list[Aside]]:
    """Votes, controls and the answers of people, by the place of the message after which they stand."""
    asides: dict[int, list[Aside]] = {}
    place = 0
    for record in chat.records:
        place = record.sequence or place
        control, why = record.control, record.why
        if control is not None:
            if control.what == "rewind":  # what stood beside the messages that it took back stands before it
                place = control.sequence
                for later in sorted(one for one in asides if one > place):
                    asides.setdefault(place, []).extend(asides.pop(later))
            asides.setdefault(place, []).append(_controlled(record, control))
        elif record.kind == "vote" and not record.rewound and why is not None and why.tally is not None:
            ballots = [f"{who}: {said}" for who, said in voted(why.tally)]
            lines = (f"Vote called by {record.speaker}: {why.reason}", *ballots)
            asides.setdefault(why.sequence, []).append(Aside(tuple(map(_line, lines))))
    return asides


def _controlled(record: Record, control: Control) -> Aside:
    """What an operator did, or a person answered, and when."""
    lines = [f"{clock(record.done_ms)} {_line(sentence(control))}"]
    if control.item is None:
        return Aside(tuple(lines))
    question = control.item.question
    lines.append(f"asked {clock(control.item.asked_ms)}: {_line(question.text)}")
    lines += [f"digest: {question.digest}"] if question.digest else []
    return Aside(tuple(lines), clean(question.detail))


def _line(text: str) -> str:
    return clean(" ".join(text.split()))


def _fence(text: str) -> str:
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}\n{text}\n{ticks}"


def inert(text: str) -> str:
    """Markdown that loads nothing when it is shown: images are links, HTML is text. Fenced code stays as it is.

    Else whoever only reads a chat would tell a stranger so, along with what a model was talked into putting into the address.
    """
    lines, fence = [], ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        opens, closes = _OPENS.match(line), _CLOSES.match(line)
        if not fence and opens:
            fence = opens[1]
        elif not fence:
            line = _harmless(line)
        elif closes and closes[1].startswith(fence):
            fence = ""
        lines.append(line)
    return "\n".join([*lines, fence] if fence else lines)


def _harmless(line: str) -> str:
    return _LOADS.sub(lambda found: html.escape(found[0]).replace("!", "&#33;"), line)


def _markdown(chat: Exported) -> str:
    info, messages = chat.chat, chat.messages
    out = [f"# Chat {info.chat}", "", f"{clock(info.created_ms)} · {', '.join(member.name for member in info.members)}", ""]
    asides = _asides(chat)
    for message in messages:
        out += [f"## {message.sequence}. {clean(message.name or message.role)}", ""]
        for kind, text in _parts(message):
            out += [inert(text) if kind == "text" else _fence(text), ""]
        for aside in asides.get(message.sequence, ()):
            quoted = [f"{_harmless(line)}  " for line in aside.lines]
            quoted += _fence(aside.detail).split("\n") if aside.detail else []
            out += ["\n".join(f"> {line}" for line in quoted), ""]
    if info.result is not None:
        usage = info.result.usage
        out += ["---", "", f"{info.result.outcome}: {clean(info.result.stop_reason)}", ""]
        out += [f"{info.result.messages} messages, {usage.tokens} tokens, ${usage.cost:.4f}, {info.result.seconds:.1f} s", ""]
    return "\n".join(out)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
@media (prefers-color-scheme: dark) {{ body {{ color: #ddd; background: #181818 }} pre {{ background: #262626 !important }} }}
h2 {{ font-size: 1rem; margin: 1.5rem 0 .25rem }} h2 small {{ font-weight: normal; opacity: .6 }}
p {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .25rem 0 }}
img {{ max-width: 100% }}
pre {{ background: #f2f2f2; padding: .5rem .75rem; overflow-x: auto; border-radius: .25rem }}
footer {{ margin-top: 2rem; border-top: 1px solid #8888; padding-top: .5rem; opacity: .8 }}
</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def _html(chat: Exported) -> str:
    info, messages = chat.chat, chat.messages
    out, asides = [], _asides(chat)
    for message in messages:
        speaker = html.escape(clean(message.name or message.role))
        out.append(f"<section><h2>{speaker} <small>{message.sequence}</small></h2>")
        for kind, text in _parts(message):
            tag = "p" if kind == "text" else "pre"
            out.append(f"<{tag}>{html.escape(text)}</{tag}>")
        out += [f'<img alt="{html.escape(each.name)}" src="{each.url}">' for each in attachments(message)]
        for aside in asides.get(message.sequence, ()):
            about = f"<pre>{html.escape(aside.detail)}</pre>" if aside.detail else ""
            out.append(f"<blockquote>{'<br>'.join(map(html.escape, aside.lines))}{about}</blockquote>")
        out.append("</section>")
    if info.result is not None:
        result = info.result
        said = html.escape(f"{result.outcome}: {clean(result.stop_reason)}")
        out.append(f"<footer>{said}<br>{result.messages} messages, {result.usage.tokens} tokens, {result.seconds:.1f} s</footer>")
    return _PAGE.format(title=html.escape(f"Chat {info.chat}"), body="\n".join(out))


FORMATS: dict[str, Render] = {"md": _markdown, "json": _json, "jsonl": _jsonl, "html": _html}
"""The formats of `rostra chat export`."""
