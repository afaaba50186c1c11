"""Does what the person at the live view wants: the requests that the commands `chat pause`, `next`, `say`, `answer`, … make."""

from typing import assert_never

from rostra.console.following import Chat, coordinator_asked
from rostra.protocol import COORDINATOR
from rostra.protocol.chat import ChatControl, ChatInfo, ChatMessage, ChatRef, ChatSay

from .desk import Act, Answer, Do, Leave, Say, Stop

REASON = "stopped by an operator"


async def perform(chat: Chat, act: Act) -> ChatInfo | None:
    """Do it; returns the chat as it stands then, where the coordinator says. Raises `RequestError`."""
    match act:
        case Do():
            wish = ChatControl(chat=chat.chat, agent=act.agent, now=act.now)
            info: ChatInfo = await coordinator_asked(chat.client, f"chat.{act.what}", wish, ChatInfo)
            return info
        case Stop():
            stop = ChatRef(chat=chat.chat, reason=REASON, after_turn=act.after_turn)
            stopped: ChatInfo = await coordinator_asked(chat.client, "chat.stop", stop, ChatInfo)
            return stopped
        case Say():
            # It is in the transcript after the open turn, however long that takes.
            say = ChatSay(chat=chat.chat, content=act.text)
            await chat.client.request(COORDINATOR, "chat.say", say, reply=ChatMessage, timeout=None, absent=7.5)
            return None
        case Answer():
            await chat.answer(act.number, act.text, act.digest)
            return None
        case Leave():
            return None
        case _:
            assert_never(act)


def going(act: Act) -> str:
    """What is shown until it is done."""
    return "said when the open turn is over" if isinstance(act, Say) else ""
