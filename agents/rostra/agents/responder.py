"""What can be an agent: anything that responds."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rostra.protocol import Answer, ChatMessage, Client, Lettered, Question, Usage

from .state import MemoryStore, State

if TYPE_CHECKING:
    from .tools.journal import Task


class Pass:
    """`Pass()` is what an agent answers that leaves the word to the others; outside of group chats it is no answer."""


Response = ChatMessage | str | Pass | None


class HumanInput(Protocol):
    """Where people are asked."""

    async def ask(self, question: Question) -> Answer:
        """Ask a person and wait for the answer, for days if need be."""
        ...


class DeltaSink(Protocol):
    """Takes the pieces of an answer while it is written."""

    topic: str
    chat: str
    sequence: int
    speaker: str

    def __call__(self, text: str) -> None:
        """Show one more piece."""
        ...


class Context:
    """What a handler knows of the message it answers, and what it can do meanwhile.

    `agent`: its own name; `sender`: who asks; `chat` and `turn`: ids, empty for a direct ask; `history`: the conversation as
    this agent has seen it, the message to answer last, own words with role `assistant`; `introduction`: who the members are,
    for a model only; `deadline`: on the loop's clock, or None; `ordinal`: for a vote, how many the chat has had before;
    `begun`: how many messages of `history` are of earlier chats; `state`: what this agent keeps between messages; `journal`:
    which tools were called for this already, where that is kept; `letter`: which letter it is, None for what was asked
    (`first_time`).
    """

    def __init__(
        self,
        *,
        agent: str,
        sender: str = "",
        chat: str = "",
        turn: bytes = b"",
        sequence: int = 0,
        history: Sequence[ChatMessage] = (),
        introduction: str = "",
        ordinal: int = 0,
        deadline: float | None = None,
        client: Client | None = None,
        human: HumanInput | None = None,
        on_delta: DeltaSink | None = None,
        begun: int = 0,
        state: State | None = None,
        journal: "Task | None" = None,
        letter: Lettered | None = None,
    ) -> None:
        self.agent, self.sender, self.chat, self.turn, self.sequence = agent, sender, chat, turn, sequence
        self.history, self.introduction, self.ordinal, self.deadline = history, introduction, ordinal, deadline
        self.client, self.human, self.on_delta = client, human, on_delta
        self.begun, self.state = begun, State(MemoryStore()) if state is None else state
        self.journal, self.letter = journal, letter
        self.usage: list[Usage] = []
        """What the answer has used; the handler appends."""
        self.reason = ""
        """Why there is no answer; the handler may say so when it answers `None`."""

    async def ask(self, name: str, content: str | ChatMessage, *, timeout: float | None = 60.0) -> ChatMessage:
        """Ask another agent; raises as `Client.ask`, and RuntimeError for an agent without a bus."""
        if self.client is None:
            raise RuntimeError("this agent is not on a bus")
        return await self.client.ask(name, content, timeout=timeout)

    def publish(self, topic: str, payload: Any) -> None:
        """Publish an event; nothing happens without a bus."""
        if self.client is not None:
            self.client.publish(topic, payload)


class Responder(Protocol):
    """An agent's handler. `None` as the answer means: nothing to say.

    It may also have `vote(proposal, context)`: how it votes (`voting.cast`); without it, it is asked as in a conversation.
    """

    async def respond(self, message: ChatMessage, context: Context) -> Response:
        """Answer `message`."""
        ...


ResponderLike = Responder | Callable[..., Any]
"""An object with `respond`, or a function `(message, context)`, async or plain (a plain one runs in a thread)."""
