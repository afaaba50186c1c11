"""How a group chat is to be held: the `[chat]` and `[budget]` tables of a team file, and the members."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from rostra.protocol import ChatMessage, Member
from rostra.protocol.people import Asking

from .flow import Flow

Selection = str | Callable[[str, Sequence[ChatMessage]], Any]
"""`auto`, `manual`, `random`, `round_robin`, `vote`, `handoff`, `parallel`, `flow` (in any case), or a function.

The function gets the last speaker and the messages, and returns a member's name; names, or `Several`, to be asked at once; the
name of a method for this turn; or None to end the chat. It may be async."""


class Transitions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may follow whom: exactly one of the two is given. A speaker without an entry, or with `[]`, ends the chat."""

    allowed: dict[str, tuple[str, ...]] | None = None
    disallowed: dict[str, tuple[str, ...]] | None = None


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits per chat, counted in the transcript; 0: none."""

    tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0


class SelectorOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the selecting model of `auto` is told; an empty text stands for rostra's own.

    Templates may hold `{roles}` (a line for each member), `{names}` or `{agentlist}` (the candidates), `{found}` (whom an answer
    named). They are AutoGen's `select_speaker_message_template`, `…_prompt_template`, `…_auto_multiple_template` and
    `…_auto_none_template`.
    """

    roles: str = ""
    """Before the conversation: who the members are."""
    prompt: str = ""
    """After the conversation: the question."""
    several: str = ""
    """When an answer named several members."""
    none: str = ""
    """When an answer named none of the candidates."""
    role: Literal["system", "user", "assistant"] = "system"
    """The role of the question, and of what is asked again."""
    retries: int = 2
    """Questions after the first one."""
    last: int = 0
    """How many of the last messages are shown at most; 0: as many as a frame holds."""


class ChatOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a coordinator must know of a team. Names and defaults are those of the team file."""

    members: tuple[Member, ...]
    selection: Selection = "auto"
    max_rounds: int = 10
    repeat: bool | tuple[str, ...] = True
    transitions: Transitions | None = None
    stop: str = ""
    admin: str = ""
    introductions: bool = False
    on_absent: Literal["wait", "skip"] = "wait"
    turn_seconds: float = 300.0
    turn_retries: int = 2
    seed: int | None = None
    selector_model: str = ""
    """Name of the model that selects in `auto`; empty: no model, so `auto` rotates."""
    people: frozenset[str] = frozenset()
    """Members whose turn waits for a person: it has no deadline."""
    budget: Budget = Budget()
    flow: Flow | None = None
    """Who follows whom, where `selection` is `flow`."""
    stop_function: Callable[[Sequence[ChatMessage]], str | bool | None] | None = None
    """Looked at after each message, beside `stop`: the messages → the reason to end the chat, or True; else it goes on."""
    clear_history: bool = False
    """Whether `clear history [member] [n]`, said by a person, clears what members are shown."""
    selector: SelectorOptions = SelectorOptions()
    inner: dict[str, "ChatOptions"] = {}
    """The inner chats of members that are a group chat themselves, by the member's name."""
    passes: bool = False
    """Whether a member that answers just `PASS` leaves the word to the others; the chat ends when all of them do."""
    extending: Asking | None = None
    """How a person is asked to extend a budget that is used up; None: the chat ends."""
    asking: Asking = Asking()
    """How a person is asked who speaks next."""
    remind_seconds: float = 3600.0
    """How often consoles are reminded of a question that waits for a person; 0: never."""
