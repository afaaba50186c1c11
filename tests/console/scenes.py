"""Scenes of the live view without a terminal: a chat, what happens in it, keys, and what is drawn."""

from typing import Any

import msgspec

from rostra.console.following import Followed
from rostra.console.tui import scene
from rostra.console.tui.desk import Act, Desk, Extent, press
from rostra.console.tui.drawing import Drawing
from rostra.console.tui.folding import told
from rostra.console.tui.lines import Pen, text
from rostra.console.tui.scene import Scene
from rostra.protocol import ChatMessage, Member, Presence, ToolCall, ToolResponse, Usage
from rostra.protocol.chat import ChatEvent, ChatInfo, Control, ControlKind, Delta, InboxItem, Question

CHAT = "c-1"
NOW = 1_000_000_000_000
BUDGET = {"max_tokens": 20_000, "max_cost": 0.5, "max_seconds": 600.0}
EXTENT = Extent(lines=100, room=20)
INFO = ChatInfo(
    chat=CHAT,
    state="running",
    task="Bake bread.",
    members=tuple(Member(name=name) for name in ("ada", "bob", "you")),
    max_rounds=9,
    admin="you",
    usage=Usage(prompt_tokens=100, completion_tokens=50),
)


def begun(**changes: Any) -> Scene:
    return scene.with_info(Scene(chat=CHAT), msgspec.structs.replace(INFO, **changes), NOW)


def after(start: Scene, *events: Followed) -> Scene:
    for event in events:
        start = told(start, event)
    return start


def message(sequence: int, name: str, content: Any = "", **more: Any) -> ChatEvent:
    said = ChatMessage(sequence=sequence, name=name, content=content, **more)
    return ChatEvent(type="message", chat=CHAT, sequence=sequence, speaker=name, message=said)


def selected(sequence: int, name: str, why: str = "its turn") -> ChatEvent:
    return ChatEvent(type="selected", chat=CHAT, sequence=sequence, speaker=name, why=why)


def piece(sequence: int, name: str, text_: str) -> Delta:
    return Delta(chat=CHAT, sequence=sequence, speaker=name, text=text_)


def control(what: ControlKind, **fields: Any) -> ChatEvent:
    return ChatEvent(type="state", chat=CHAT, control=Control(what=what, by="console-1", **fields))


def state(word: str) -> ChatEvent:
    return ChatEvent(type="state", chat=CHAT, why=word)


def presence(name: str, how: Any) -> Presence:
    return Presence(name=name, address=name, boot=b"0", state=how)


def item(number: int, words: str = "May I?", agent: str = "you", **fields: Any) -> InboxItem:
    return InboxItem(number=number, question=Question(text=words, chat=CHAT, agent=agent, **fields))


def drawn(seen: Scene, desk: Desk | None = None, *, width: int = 80, height: int = 24, unicode: bool = True, **more: Any) -> str:
    lines, _ = Drawing(Pen(unicode=unicode)).screen(seen, desk or Desk(), width=width, height=height, now_ms=NOW, **more)
    assert len(lines) == height
    return text(lines)


def keys(seen: Scene, *pressed: str, desk: Desk | None = None, extent: Extent = EXTENT) -> tuple[Desk, Act | None]:
    desk, act = desk or Desk(), None
    for key in pressed:
        desk, act = press(seen, desk, key, extent)
    return desk, act


def folded() -> Scene:
    call = ToolCall(id="1", name="weigh", arguments='{"what": "flour", "grams": 500}')
    response = ToolResponse(id="1", name="weigh", content="one\ntwo\nthree")
    return after(
        begun(),
        message(1, "you", "Bake."),
        message(2, "ada", "Let me see.", tool_calls=(call,)),
        message(3, "ada", "", tool_responses=(response,)),
        message(4, "bob", "exitcode: 1 (execution failed)\nCode output: \nTraceback\nKeyError"),
    )


def full() -> Scene:
    """A chat in which there is something of everything."""
    seen = begun(speaker="bob", messages=4, muted=("you",), seconds=75.0, usage=Usage(prompt_tokens=1200, cost=0.25), **BUDGET)
    seen = after(seen, message(1, "you", "Bake bread."), message(2, "ada", "Flour."), message(3, "you", "How much?"))
    seen = scene.with_inbox(seen, (item(7, "May I buy yeast?", "ada", options=("yes", "no")),), new=True)
    seen = after(seen, message(4, "ada", "500 g."), selected(5, "bob", "ada spoke last, and the graph allows bob"))
    return after(seen, piece(5, "bob", "Water, \x1b[31mluke"))
