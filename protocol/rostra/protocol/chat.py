"""What is said in a chat, and how a coordinator and a member speak about it (docs/messages.md)."""

from typing import Any, Literal

from .control import ChatControl as ChatControl
from .control import Control as Control
from .control import ControlKind as ControlKind
from .payload import Payload as Payload
from .payload import Usage as Usage
from .people import Answer as Answer
from .people import InboxAnswer as InboxAnswer
from .people import InboxItem as InboxItem
from .people import Question as Question
from .voting import Proposal, Tally

Role = Literal["system", "user", "assistant", "tool", "function"]


class ToolCall(Payload, frozen=True, kw_only=True):
    """A model wants a tool run."""

    id: str
    name: str
    arguments: str = "{}"
    """A JSON object, as the model wrote it."""


class ToolResponse(Payload, frozen=True, kw_only=True):
    """What a tool answered to the call `id`."""

    id: str
    content: str
    name: str = ""


class ChatMessage(Payload, frozen=True, kw_only=True):
    """One message. In a transcript `name` is the speaker and `sequence` its place, from 1."""

    content: str | list[dict[str, Any]] | None = ""
    role: Role = "user"
    name: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_responses: tuple[ToolResponse, ...] = ()
    sequence: int = 0
    metadata: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """The textual content; the text parts of multimodal content joined by newlines."""
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", "")) for part in self.content if part.get("type") == "text")
        return self.content or ""


class Member(Payload, frozen=True, kw_only=True):
    """Who takes part in a chat, as the others may know it."""

    name: str
    description: str = ""
    tools: tuple[str, ...] = ()
    """Names of the functions it executes."""
    kind: str = ""


class Turn(Payload, frozen=True, kw_only=True):
    """Body of the request `turn`: it is the member's turn to speak. The request's id is the turn's id."""

    chat: str
    sequence: int
    """The place in the transcript which the answer will have; where several are asked at once, if all before it answer."""
    epoch: int
    after: int
    """The messages below begin right after this place; 0: from the start. A member that has not seen up to it asks `history`."""
    messages: tuple[ChatMessage, ...] = ()
    introduction: str = ""
    """Who the members are; given once, shown to the model only, never part of the transcript."""
    since: int = 0
    """A member that joined later is shown nothing up to this place; 0: everything."""
    valid: int = -1
    """The chat was rewound: what the member holds beyond this place may have been taken back; -1: it was not."""


class TurnReply(Payload, frozen=True, kw_only=True):
    """Answer to `turn`. No message: the member has nothing to say, which ends the chat gracefully, unless it `passed`."""

    message: ChatMessage | None = None
    usage: tuple[Usage, ...] = ()
    reason: str = ""
    """Why there is no message."""
    passed: bool = False
    """It leaves the word to the others; the chat ends when everybody has done so since the last message."""


class Converse(Payload, frozen=True, kw_only=True):
    """Body of the request `converse` to an agent: one more message in a conversation of two. Answered with `ConverseReply`."""

    conversation: str
    """Chosen by who began it; it names one conversation of this sender."""
    after: int = 0
    """The messages below come right after so many others. An agent that has seen fewer answers with `missing`."""
    messages: tuple[ChatMessage, ...] = ()
    begun: int = 0
    """How many of all messages were said before this chat: replies are counted from here."""
    sender: str = ""
    """Who speaks, where the caller is a console; else it is the caller."""


class ConverseReply(Payload, frozen=True, kw_only=True):
    """Answer to `converse`. Neither a message nor `missing`: the agent has nothing to say, and the conversation ends."""

    message: ChatMessage | None = None
    usage: tuple[Usage, ...] = ()
    reason: str = ""
    """Why there is no message."""
    missing: int = -1
    """Say it again from here on: the agent has seen only so many messages (it lost its memory, say)."""


class VoteRequest(Payload, frozen=True, kw_only=True):
    """Body of the request `vote` to an agent; answered with `Ballot`."""

    proposal: Proposal
    turn: Turn | None = None
    """In a chat: what the voter has not seen of it, as when it is its turn."""
    ordinal: int = 0
    """How many votes the chat has had before this one; a scripted model answers by it."""


class ChatVote(Payload, frozen=True, kw_only=True):
    """Body of the request `chat.vote` to the coordinator: hold a vote in a chat, and write it down. Answered with `Tally`."""

    chat: str
    proposal: Proposal
    members: tuple[str, ...] = ()
    """Of the chat's members, who votes; empty: all."""


class HistoryRequest(Payload, frozen=True, kw_only=True):
    """Body of the request `history` to the coordinator."""

    chat: str
    after: int = 0
    limit: int = 200


class History(Payload, frozen=True, kw_only=True):
    """Answer to `history`: messages in order; `more` when the limit or the size of a frame cut the list."""

    messages: tuple[ChatMessage, ...] = ()
    more: bool = False


class Result(Payload, frozen=True, kw_only=True):
    """How a chat ended, or why it rests."""

    chat: str
    outcome: Literal["ended", "limit", "failed", "member_failed", "waits", "stopped"]
    """ended: a termination rule, or a graceful end of selection; limit: rounds, budget or time; failed: it could not go on;
    member_failed: a member failed for good; waits: for a person, nobody can be asked; stopped: by an operator."""
    stop_reason: str
    """A sentence."""
    messages: int = 0
    usage: Usage = Usage()
    seconds: float = 0.0


class ChatEvent(Payload, frozen=True, kw_only=True):
    """What happens in a chat, published on the topic `chat.<id>` after it is on disk."""

    type: Literal[
        "started",
        "selected",
        "message",
        "failed",
        "skipped",
        "passed",
        "question",
        "reminder",
        "answered",
        "state",
        "vote",
        "result",
    ]
    chat: str
    sequence: int = 0
    """The place in the transcript it is about."""
    speaker: str = ""
    why: str = ""
    """selected: the reason of the choice, a sentence; state: the new state (`running`, `paused`), empty: as it was; vote: what
    came of it, a sentence."""
    message: ChatMessage | None = None
    error: str = ""
    question: int = 0
    """question, reminder, answered: the number of the inbox item."""
    tally: Tally | None = None
    """vote: ballots and tally; `speaker` is who asked for it."""
    result: Result | None = None
    control: Control | None = None
    """state: what an operator did."""


class Delta(Payload, frozen=True, kw_only=True):
    """A piece of an answer that is being written, published on the topic `delta.<chat id>`; never on disk."""

    chat: str
    sequence: int
    speaker: str
    text: str


class ChatStart(Payload, frozen=True, kw_only=True):
    """Body of the request `chat.start` to the coordinator; answered with `ChatInfo`."""

    task: str
    chat: str = ""
    """The id; empty: a new one. An id that exists is refused."""
    members: tuple[str, ...] = ()
    """Of the team's agents, in this order; empty: all."""
    max_rounds: int = 0
    """Instead of the team file's; 0: as there."""
    no_input: bool = False
    """Nobody answers questions to people: the chat rests with the outcome `waits` when one is asked."""
    agent: str = ""
    """The agent whose inner chat it is: between its members, by its rules; empty: the team's chat."""
    within: str = ""
    """The chat in which that agent has a turn: the inner one ends with it at the latest, and waits for people only if it does."""


class ChatInfo(Payload, frozen=True, kw_only=True):
    """One chat at a glance; answer to `chat.start`, `chat.info`, and (a list of these) `chat.list`."""

    chat: str
    state: Literal["running", "paused", "ended"]
    task: str
    members: tuple[Member, ...] = ()
    messages: int = 0
    created_ms: int = 0
    epoch: int = 0
    max_rounds: int = 0
    speaker: str = ""
    """Whose turn it is."""
    usage: Usage = Usage()
    result: Result | None = None
    muted: tuple[str, ...] = ()
    """Members who get no turn."""
    admin: str = ""
    """Who gets the floor when somebody takes over; empty: nobody, the chat pauses."""
    parent: str = ""
    """The chat that this one was forked from."""
    seconds: float = 0.0
    """How long it has taken so far, without the time in which it was paused."""
    selection: str = ""
    """How speakers are chosen; `callable`: by a function."""
    max_tokens: int = 0
    max_cost: float = 0.0
    max_seconds: float = 0.0
    """The budget; 0: none."""


class ChatRef(Payload, frozen=True, kw_only=True):
    """Names a chat, and where it matters one turn: body of `chat.info`, `chat.why`, `chat.verify`, `chat.stop`."""

    chat: str
    sequence: int = 0
    reason: str = ""
    after_turn: bool = False
    """`chat.stop`: let the open turn be finished first."""


class ChatRewind(Payload, frozen=True, kw_only=True):
    """Body of `chat.rewind` and `chat.fork`; answered with `ChatInfo`, of the new chat for a fork."""

    chat: str
    sequence: int
    """The last message that stays."""
    content: str = ""
    """Said next; empty: nothing."""
    name: str = "user"
    paused: bool = False
    """The chat does not go on by itself."""
    fork: str = ""
    """fork: the id of the new chat; empty: a new one."""
    reason: str = ""


class ChatSay(Payload, frozen=True, kw_only=True):
    """Body of the request `chat.say`: a person says something without taking a turn. Answered with the message as kept."""

    chat: str
    content: str
    name: str = "user"


class Why(Payload, frozen=True, kw_only=True):
    """How one speaker was chosen; `chat.why` is answered with a list of these, in order."""

    sequence: int
    speaker: str
    reason: str
    method: str = ""
    candidates: tuple[str, ...] = ()
    removed: dict[str, str] = {}
    """Who was not a candidate, and by which rule."""
    answers: tuple[str, ...] = ()
    """The raw answers of the model."""
    fallback: str = ""
    tally: Tally | None = None
    """Where the members voted: ballots and tally."""
    together: tuple[str, ...] = ()
    """Where several are asked at once: all of them, in the order in which they come in the transcript."""
    need: int = 0
    """How many of these must answer before the others are not waited for any more; 0: all."""


class Verdict(Payload, frozen=True, kw_only=True):
    """Answer to `chat.verify`."""

    chat: str
    messages: int
    intact: bool
    problem: str = ""
    head: str = ""
    """The hash of the last row, hexadecimal."""


class Record(Payload, frozen=True, kw_only=True):
    """One row of a transcript as it is kept, with its place in the hash chain (docs/groupchat.md); an open turn has none."""

    number: int
    kind: str
    turn: bytes
    speaker: str
    state: str
    epoch: int
    sequence: int = 0
    attempts: int = 1
    why: Why | None = None
    message: ChatMessage | None = None
    error: str = ""
    usage: tuple[Usage, ...] = ()
    selection_usage: tuple[Usage, ...] = ()
    control: Control | None = None
    asked_ms: int = 0
    done_ms: int = 0
    link: int = 0
    hash: bytes = b""
    rewound: int = 0
    """The number of the row that rewound this one; 0: it stands."""


class RecordsRequest(Payload, frozen=True, kw_only=True):
    """Body of `chat.records`: the closed rows after the link `after` of the hash chain."""

    chat: str
    after: int = 0


class Records(Payload, frozen=True, kw_only=True):
    """Answer to `chat.records`: in the order of the chain, as many as fit in a frame; `more`: there are further ones.

    A turn that is open is the last one.
    """

    records: tuple[Record, ...] = ()
    more: bool = False
    settings: dict[str, Any] = {}
    """How the chat was begun, and by which rules, as far as they are data: for a replay."""


class SearchRequest(Payload, frozen=True, kw_only=True):
    """Body of `chat.search`: words to be found in messages, the newest first; `chat` and `speaker` narrow it."""

    query: str
    chat: str = ""
    speaker: str = ""
    limit: int = 50


class Found(Payload, frozen=True, kw_only=True):
    """One message that `chat.search` found; `snippet`: some words around what was found, each hit in `[` `]`."""

    chat: str
    sequence: int
    speaker: str
    snippet: str
    done_ms: int = 0
