"""What was said in a chat, in a few sentences, for a member that joins later: made by the model that selects speakers."""

from collections.abc import Sequence

from rostra.protocol import GATEWAY, BadMessage, ChatMessage, Client, Refused, RequestError
from rostra.protocol.completion import Completion, CompletionRequest

from .auto import shown
from .fit import newest
from .options import ChatOptions

MOST = 20_000
"""Characters of a summary."""
_TASK = """Somebody joins this conversation now and has seen nothing of it. Summarise it for them: the task, what was decided and
why, what is done, what is open, and any figures, names and code that are needed to go on. Begin with the matter itself."""


async def summary(client: Client, options: ChatOptions, chat: str, messages: Sequence[ChatMessage]) -> str:
    """A summary of `messages`; raises `Refused` when no model can make one."""
    if not options.selector_model:
        raise Refused("no model can summarise the chat: the team has none called selector or default")
    said = (message for message in map(shown, reversed(messages)) if message is not None)
    request = CompletionRequest(
        model=options.selector_model,
        agent="summary",
        chat=chat,
        messages=(*newest(said), ChatMessage(role="system", content=_TASK)),
    )
    seconds = options.turn_seconds
    try:
        completion: Completion = await client.request(
            GATEWAY, "complete", request, reply=Completion, timeout=seconds, absent=min(30.0, seconds)
        )
    except (RequestError, BadMessage) as error:
        raise Refused(f"the chat could not be summarised: {error}") from None
    if not completion.content.strip():
        raise Refused("the chat could not be summarised: the model said nothing")
    return completion.content[:MOST]
