"""Conversations of two agents in one process: AutoGen's `initiate_chat`, `send` and `receive`."""

import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from rostra.protocol import ChatMessage, Usage
from rostra.protocol.ids import new_id, text_id

from .adapt import call
from .carryover import with_carryover
from .foreign import from_dict
from .prompt import COMPLETIONS, PERSON
from .reply_chain import Conversation
from .responder import Context
from .summary import SummaryMethod, summarise
from .views import Messages, as_seen

if TYPE_CHECKING:
    from .conversable import ConversableAgent
    from .remote import Remote

Partner: TypeAlias = "ConversableAgent | Remote"
"""Whom an agent can talk with."""
Said = str | Mapping[str, Any] | ChatMessage
Opening = Said | Callable[["ConversableAgent", Any, dict[str, Any]], "Said | Awaitable[Said]"] | None


class Dialogue:
    """One agent's side of a conversation with another."""

    def __init__(self) -> None:
        self.messages: list[ChatMessage] = []
        self.auto_replies = 0
        self.replies = False
        """Whether a received message is replied to without being asked for (AutoGen's `reply_at_receive`)."""
        self.chat = ""
        self.silent = True
        self.usage: list[Usage] = []
        self.reason = ""
        """Why this side said nothing more."""
        self.conversation = text_id(new_id())
        """What a partner in another process knows the conversation by."""
        self.told = 0
        """How many of the messages such a partner has."""
        self.begun = 0
        """How many messages there were before this chat."""

    def begin(self, chat: str, *, clear: bool, replies: bool, silent: bool) -> None:
        """A new chat: the counters begin anew, and with `clear` so does the history."""
        if clear:
            self.forget()
        self.begun, self.reason = len(self.messages), ""
        self.auto_replies, self.chat, self.replies, self.silent, self.usage = 0, chat, replies, silent, []

    def forget(self) -> None:
        """Forget what was said; a partner in another process takes what comes for a new conversation."""
        self.messages.clear()
        self.conversation, self.told = text_id(new_id()), 0


class ChatResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a chat of two agents went."""

    chat_id: str
    chat_history: tuple[ChatMessage, ...]
    """As the initiator saw it."""
    summary: str
    usage: tuple[Usage, ...] = ()
    human_input: tuple[str, ...] = ()
    """What people said."""
    stop_reason: str = ""
    """Why it ended, a sentence."""

    @property
    def cost(self) -> float:
        """US dollars."""
        return sum(each.cost for each in self.usage)


async def start(
    sender: "ConversableAgent",
    recipient: "Partner",
    opening: Opening,
    max_turns: int | None,
    *,
    clear_history: bool,
    summary: SummaryMethod,
    silent: bool,
    known: dict[str, Any],
) -> ChatResult:
    """Hold a chat; see `ConversableAgent.initiate_chat`."""
    chat = text_id(new_id())
    mine, theirs = sender.dialogue(recipient), recipient.dialogue(sender)
    for side, agent in ((mine, sender), (theirs, recipient)):
        quiet = silent if agent.silent is None else agent.silent
        side.begin(chat, clear=clear_history, replies=max_turns is None, silent=quiet)
    begun = len(mine.messages)
    why = ""
    for turn in itertools.count():
        if turn == max_turns:
            why = f"max_turns: {max_turns} round trips"
            break
        message: Said | None = (
            await _opening(sender, recipient, opening, known) if turn == 0 else await sender.reply_to(recipient)
        )
        if message is None:
            break
        await send(sender, recipient, message, request_reply=True)
        if max_turns is None:
            break
    text, used = await summarise(summary, sender, recipient, known["summary_args"])
    history = tuple(mine.messages)
    return ChatResult(
        chat_id=chat,
        chat_history=history,
        summary=text,
        usage=(*mine.usage, *theirs.usage, *used),
        human_input=tuple(each.text for each in history[begun:] if PERSON in each.metadata),
        stop_reason=mine.reason or theirs.reason or why,
    )


async def send(sender: "ConversableAgent", recipient: "Partner", message: Said, request_reply: bool | None = None) -> None:
    """See `ConversableAgent.send`."""
    said = await sender.before_send(as_message(message, sender))
    deliver(said, sender, recipient)
    if request_reply or (request_reply is None and recipient.dialogue(sender).replies):
        await _talk(recipient, sender)


async def receive(
    recipient: "ConversableAgent", sender: "ConversableAgent", message: Said, request_reply: bool | None = None
) -> None:
    """See `ConversableAgent.receive`."""
    side = recipient.dialogue(sender)
    side.messages.append(as_seen(as_message(message, sender), recipient.name))
    if request_reply or (request_reply is None and side.replies):
        await _talk(recipient, sender)


def as_message(message: Said, sender: "ConversableAgent") -> ChatMessage:
    """What `sender` says, as a message of its own; raises ValueError for one without content and calls."""
    match message:
        case str():
            said = ChatMessage(content=message)
        case ChatMessage():
            said = message
        case _:
            if "content" not in message and not message.get("tool_calls"):
                raise ValueError("a message needs content or tool calls")
            said = from_dict(message)
    if said.content is None and not said.tool_calls and not said.tool_responses:
        raise ValueError("a message needs content or tool calls")
    return as_seen(msgspec.structs.replace(said, name=sender.name), sender.name)


async def _talk(speaker: "Partner", listener: "Partner") -> None:
    """`speaker` replies, then the other one, for as long as they have something to say and replies are wanted."""
    while True:
        answer = await speaker.reply_to(cast("ConversableAgent", listener))
        if answer is None:
            return
        deliver(answer, speaker, listener)
        if not listener.dialogue(cast("ConversableAgent", speaker)).replies:
            return
        speaker, listener = listener, speaker


async def reply(speaker: "ConversableAgent", listener: "Partner") -> ChatMessage | None:
    """What `speaker` answers to the last message of its conversation with `listener`."""
    side = speaker.dialogue(listener)
    messages = Messages(side.messages)
    context = Context(
        agent=speaker.name, sender=listener.name, chat=side.chat, history=messages, human=speaker.human, client=speaker.bus
    )
    conversation = Conversation(messages, listener, side.auto_replies, context)
    answer = await speaker.generate_reply(conversation)
    side.auto_replies = conversation.auto_replies
    side.usage += context.usage
    if answer is None:
        side.reason = context.reason or f"{speaker.name} has nothing to say"
    return answer


def deliver(message: ChatMessage, speaker: "Partner", listener: "Partner") -> None:
    """Put `message` on both sides of the conversation, and show it unless that is unwanted."""
    side = speaker.dialogue(cast("ConversableAgent", listener))
    side.messages.append(message)
    listener.dialogue(cast("ConversableAgent", speaker)).messages.append(as_seen(message, listener.name))
    if not side.silent:
        print(f"{speaker.name} (to {listener.name}):\n\n{_printed(message)}\n\n{'-' * 80}", flush=True)


def _printed(message: ChatMessage) -> str:
    calls: Iterable[str] = (f"→ {each.name}({each.arguments})" for each in message.tool_calls)
    return "\n".join(filter(None, [message.text, *calls]))


async def _opening(sender: "ConversableAgent", recipient: "Partner", opening: Opening, known: dict[str, Any]) -> ChatMessage:
    person, made = opening is None, callable(opening)
    if opening is None:
        opening = await sender.ask_person(f"{sender.name}, your message to {recipient.name}:")
    elif callable(opening):
        opening = await call(opening, sender, recipient, known)
    message = as_message(cast(Said, opening), sender)
    marks = {**message.metadata, COMPLETIONS: 0} | ({PERSON: "person"} if person else {})
    # A function is given the carryover, and does with it what it likes.
    content = message.content if made else with_carryover(message.content, known["carryover"])
    return msgspec.structs.replace(message, content=content, metadata=marks)
