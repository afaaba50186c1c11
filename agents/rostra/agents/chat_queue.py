"""Several chats, one after the other or as a graph: AutoGen's `initiate_chats` and nested chats."""

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from .adapt import call
from .dialogue import ChatResult
from .reply_chain import Conversation, Outcome, ReplyFunction

if TYPE_CHECKING:
    from .conversable import ConversableAgent

ChatTable = Mapping[str, Any]
"""One chat of a queue: `recipient`, and the options of `initiate_chat`; beside these `sender`,
`finished_chat_indexes_to_exclude_from_carryover`, and for a graph `chat_id` and `prerequisites`."""

_OWN = frozenset({"sender", "recipient", "chat_id", "prerequisites", "finished_chat_indexes_to_exclude_from_carryover"})


async def initiate_chats(chats: Sequence[ChatTable], *, sender: "ConversableAgent | None" = None) -> list[ChatResult]:
    """Hold the chats of a queue; returns their results in the order of the queue.

    Without `chat_id`s: one after the other; the opening of each carries the summaries of all finished ones. With `chat_id` and
    `prerequisites`: each begins when its prerequisites are done and carries their summaries; independent ones run at once, but
    two of one pair of agents one after the other. `sender`: for chats that name none. Raises ValueError for a bad queue, before
    any chat begins, and what a chat raises.
    """
    queue = [_checked(each, number, sender) for number, each in enumerate(chats)]
    if any("chat_id" in each or "prerequisites" in each for each in queue):
        return await _graph(queue)
    finished: list[ChatResult] = []
    for each in queue:
        finished.append(await _hold(each, dict(enumerate(finished))))
    return finished


def nested_chats(chats: Sequence[ChatTable]) -> ReplyFunction:
    """A reply function: the reply is the summary of the last of `chats`, held with the replying agent as sender.

    The first chat without a message takes the one to be answered; later ones without a message are left out. A `message` may be a
    function (agent, messages, sender, context). No chat left: no reply.
    """

    async def reply(agent: "ConversableAgent", conversation: Conversation) -> Outcome:
        queue: list[ChatTable] = []
        for number, chat in enumerate(chats):
            message = chat.get("message")
            if message is None and number == 0:
                message = conversation.message.text
            elif callable(message):
                message = await call(message, agent, list(conversation.messages), conversation.sender, conversation.context)
            if message:
                queue.append({**chat, "message": message})
        if not queue:
            return True, None
        results = await initiate_chats(queue, sender=agent)
        conversation.context.usage += [usage for result in results for usage in result.usage]
        return True, results[-1].summary

    return reply


def _checked(chat: ChatTable, number: int, sender: "ConversableAgent | None") -> dict[str, Any]:
    known = dict(chat)
    if known.get("recipient") is None:
        raise ValueError(f"chat {number} of the queue has no recipient")
    if known.get("sender") is None:
        known["sender"] = sender
    if known["sender"] is None:
        raise ValueError(f"chat {number} of the queue has no sender")
    return known


async def _hold(chat: dict[str, Any], finished: Mapping[Any, ChatResult]) -> ChatResult:
    left_out = chat.get("finished_chat_indexes_to_exclude_from_carryover") or ()
    own = chat.get("carryover") or []
    own = list(own) if isinstance(own, list | tuple) else [own]
    summaries = [result.summary for key, result in finished.items() if key not in left_out]
    options = {key: value for key, value in chat.items() if key not in _OWN} | {"carryover": [*own, *summaries]}
    result: ChatResult = await chat["sender"].initiate_chat(chat["recipient"], **options)
    return result


async def _graph(queue: list[dict[str, Any]]) -> list[ChatResult]:
    order = _order(queue)
    by_id = {chat["chat_id"]: chat for chat in queue}
    done: dict[Hashable, asyncio.Task[ChatResult]] = {}
    pairs: dict[tuple[int, Any], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def hold(chat: dict[str, Any]) -> ChatResult:
        before = {id_: await done[id_] for id_ in chat.get("prerequisites") or ()}
        partner = chat["recipient"]
        async with pairs[id(chat["sender"]), partner if isinstance(partner, str) else id(partner)]:
            result = await _hold(chat, before)
        return msgspec.structs.replace(result, chat_id=str(chat["chat_id"]))

    for id_ in order:
        done[id_] = asyncio.create_task(hold(by_id[id_]))
    try:
        return list(await asyncio.gather(*(done[chat["chat_id"]] for chat in queue)))
    finally:
        for task in done.values():
            task.cancel()
        await asyncio.gather(*done.values(), return_exceptions=True)


def _order(queue: Iterable[Mapping[str, Any]]) -> list[Hashable]:
    """The ids of a graph of chats, prerequisites first; raises ValueError for a graph that is none."""
    needs: dict[Hashable, tuple[Hashable, ...]] = {}
    for number, chat in enumerate(queue):
        if chat.get("chat_id") is None:
            raise ValueError(f"chat {number} of the queue has no chat_id, though others have prerequisites or ids")
        if chat["chat_id"] in needs:
            raise ValueError(f"there are two chats with the id {chat['chat_id']!r}")
        needs[chat["chat_id"]] = tuple(chat.get("prerequisites") or ())
    for id_, wanted in needs.items():
        for other in wanted:
            if other not in needs:
                raise ValueError(f"chat {id_!r} needs {other!r}, which is no chat of the queue")
    order: list[Hashable] = []
    while len(order) < len(needs):
        ready = [id_ for id_, wanted in needs.items() if id_ not in order and all(other in order for other in wanted)]
        if not ready:
            circle = ", ".join(repr(id_) for id_ in needs if id_ not in order)
            raise ValueError(f"the chats {circle} wait for each other")
        order += ready
    return order
