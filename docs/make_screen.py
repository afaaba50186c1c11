"""Writes the picture of the live view, and its keys, into docs/groupchat.md: `python docs/make_screen.py`.

tests/console checks that they are current.
"""

import re
import sys
from pathlib import Path

from rostra.console.tui import scene
from rostra.console.tui.desk import KEYS, Desk
from rostra.console.tui.drawing import Drawing
from rostra.console.tui.folding import told
from rostra.console.tui.lines import Pen, text
from rostra.protocol.chat import (
    ChatEvent,
    ChatInfo,
    ChatMessage,
    Delta,
    InboxItem,
    Member,
    Question,
    ToolCall,
    ToolResponse,
    Usage,
)

PAGE = Path(__file__).parent / "groupchat.md"
BLOCK = re.compile(r"(<!-- Written by docs/make_screen.py; do not edit. -->\n).*?(<!-- The end of it. -->\n)", re.DOTALL)
CHAT = "h5tq2xka"


def picture() -> str:
    """A screen of 80 by 24 in which there is something of everything."""
    members = tuple(Member(name=name) for name in ("planner", "coder", "critic", "admin"))
    usage = Usage(prompt_tokens=5_400, completion_tokens=1_700, cost=0.13)
    info = ChatInfo(
        chat=CHAT, state="running", task="Count the words of the report.", members=members, max_rounds=12, usage=usage,
        messages=4, speaker="critic", admin="admin", seconds=47.0, max_tokens=20_000, max_cost=0.5, max_seconds=600.0,
    )  # fmt: skip
    seen = scene.with_info(scene.Scene(chat=CHAT), info, 0)
    call = ToolCall(id="1", name="word_count", arguments='{"path": "report.md"}')
    said = (
        ChatMessage(sequence=1, name="user", content="Count the words of the report."),
        ChatMessage(sequence=2, name="planner", content="coder reads the file and counts; critic looks whether that is right."),
        ChatMessage(sequence=3, name="coder", tool_calls=(call,)),
        ChatMessage(sequence=4, name="coder", tool_responses=(ToolResponse(id="1", name="word_count", content="2 417"),)),
    )
    for message in said:
        seen = told(seen, ChatEvent(type="message", chat=CHAT, sequence=message.sequence, message=message))
    asked = Question(text="May I spend another dollar?", chat=CHAT, agent="admin", options=("yes", "no"))
    seen = scene.with_inbox(seen, (InboxItem(number=3, question=asked),), new=True)
    seen = told(
        seen, ChatEvent(type="selected", chat=CHAT, sequence=5, speaker="critic", why="coder may hand over to critic only")
    )
    seen = told(
        seen, Delta(chat=CHAT, sequence=5, speaker="critic", text="Does that count the words in the tables, too? A report")
    )
    lines, _ = Drawing(Pen()).screen(seen, Desk(), width=80, height=24, now_ms=0)
    return text(lines)


def written() -> str:
    """The page with the picture and the keys as they are now."""
    rows = "".join(f"| {' '.join(f'`{key}`' for key in keys.split())} | {does} |\n" for keys, does in KEYS)
    block = f"\n```text\n{picture()}```\n\n| keys | |\n|---|---|\n{rows}\n"
    return BLOCK.sub(lambda found: found[1] + block + found[2], PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(picture())
    else:
        PAGE.write_text(written(), encoding="utf-8")
