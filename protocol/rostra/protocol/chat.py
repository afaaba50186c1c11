"""What is said in a chat, and how a coordinator and a member speak about it (docs/messages.md)."""

from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool", "function"]


class Payload(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of what travels in bodies: a MessagePack map; unknown keys are ignored, absent ones have their default."""


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


class Usage(Payload, frozen=True, kw_only=True):
    """What a completion used."""

    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    """US dollars; 0 when no price is known."""
    estimated: bool = False
    """The server sent no usage: characters / 4."""
    cached: bool = False

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


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
    """The place in the transcript which the answer will have."""
    epoch: int
    after: int
    """The messages below begin right after this place; 0: from the start. A member that has not seen up to it asks `history`."""
    messages: tuple[ChatMessage, ...] = ()
    introduction: str = ""
    """Who the members are; given once, shown to the model only, never part of the transcript."""


class TurnReply(Payload, frozen=True, kw_only=True):
    """Answer to `turn`. No message: the member has nothing to say, which ends the chat gracefully."""

    message: ChatMessage | None = None
    usage: tuple[Usage, ...] = ()
    reason: str = ""
    """Why there is no message."""


class HistoryRequest(Payload, frozen=True, kw_only=True):
    """Body of the request `history` to the coordinator."""

    chat: str
    after: int = 0
    limit: int = 200


class History(Payload, frozen=True, kw_only=True):
    """Answer to `history`: messages in order; `more` when the limit or the size of a frame cut the list."""

    messages: tuple[ChatMessage, ...] = ()
    more: bool = False


class Question(Payload, frozen=True, kw_only=True):
    """Body of the request `inbox.ask` to the coordinator: something that a person must answer. Answered with `Answer`."""

    text: str
    chat: str = ""
    agent: str = ""
    """Who asks."""
    options: tuple[str, ...] = ()
    default: str | None = None
    """Applied when the deadline passes; None: no default."""
    seconds: float = 0.0
    """Deadline from now; 0: none."""
    assignee: str = ""


class Answer(Payload, frozen=True, kw_only=True):
    """What the person said, and who it was (a console's name; empty: the default was applied)."""

    text: str
    by: str = ""


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

    type: Literal["started", "selected", "message", "failed", "skipped", "question", "answered", "state", "result"]
    chat: str
    sequence: int = 0
    """The place in the transcript it is about."""
    speaker: str = ""
    why: str = ""
    """selected: the reason of the choice, a sentence; state: the new state."""
    message: ChatMessage | None = None
    error: str = ""
    question: int = 0
    """question, answered: the number of the inbox item."""
    result: Result | None = None


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


class ChatRef(Payload, frozen=True, kw_only=True):
    """Names a chat, and where it matters one turn: body of `chat.info`, `chat.why`, `chat.verify`, `chat.stop`."""

    chat: str
    sequence: int = 0
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


class Verdict(Payload, frozen=True, kw_only=True):
    """Answer to `chat.verify`."""

    chat: str
    messages: int
    intact: bool
    problem: str = ""
    head: str = ""
    """The hash of the last row, hexadecimal."""


class InboxItem(Payload, frozen=True, kw_only=True):
    """A question to a person; `inbox.list` is answered with a list of these."""

    number: int
    question: Question
    asked_ms: int = 0
    answer: Answer | None = None


class InboxAnswer(Payload, frozen=True, kw_only=True):
    """Body of the request `inbox.answer`; refused when the item is answered already or unknown."""

    number: int
    text: str
    by: str = ""
