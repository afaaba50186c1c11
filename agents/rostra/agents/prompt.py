"""From a conversation to what a model is sent. The stored conversation is never changed."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from rostra.protocol import ChatMessage, ToolCall, ToolResponse
from rostra.protocol.chat import Role

TOOL_LOG = "tool_log"
"""Key in `metadata`: the rounds of tool calls that an agent made by itself before it gave this answer."""
COMPLETIONS = "completions"
"""Key in `metadata`: how many completions made this answer, where it is not one."""
ATTACHMENTS = "attachments"
"""Key in `metadata`: files that belong to the message, as `{name, type, data}`; data in base64, SVG as it is."""
OUTPUT = "output"
"""Key in `metadata`: the message is what code printed, not what anybody says."""
PERSON = "person"
"""Key in `metadata`: the person who wrote this."""
LOGGED = 4_000
"""Characters of a tool's answer that the log keeps."""


class ToolRound(msgspec.Struct, frozen=True, omit_defaults=True):
    """One round of a tool log."""

    calls: tuple[ToolCall, ...]
    responses: tuple[ToolResponse, ...]
    content: str = ""


def logged(rounds: Iterable[ToolRound]) -> list[dict[str, object]]:
    """Rounds as plain values for `metadata`; long answers are cut."""
    plain: list[dict[str, object]] = msgspec.to_builtins([_shortened(each) for each in rounds])
    return plain


def build_prompt(
    messages: Sequence[ChatMessage], agent: str, system_message: str = "", introduction: str = ""
) -> list[ChatMessage]:
    """What the model of `agent` is sent: the system message, then the conversation.

    Calls come with their responses right after them, as servers demand; a call without a response, or the other way round,
    becomes text.
    """
    system = "\n\n".join(text for text in (system_message, introduction) if text)
    prompt = [ChatMessage(role="system", content=system)] if system else []
    open_calls: set[str] = set()
    for place, message in enumerate(messages):
        if message.name == agent:
            prompt += _log(message, agent)
        following = messages[place + 1] if place + 1 < len(messages) else None
        shown = list(_shown(message, open_calls, following))
        open_calls = {call.id for each in shown for call in each.tool_calls}
        prompt += shown
    return prompt


def completions(messages: Iterable[ChatMessage], agent: str) -> int:
    """How many completions `agent` has had in this conversation."""
    own = (message for message in messages if message.name == agent and message.sequence != 1)  # the first is the task
    return sum(_whole(message.metadata.get(COMPLETIONS, 1)) for message in own)


def round_messages(one: ToolRound, agent: str) -> list[ChatMessage]:
    """A round of calls as a model is sent it."""
    call = ChatMessage(role="assistant", name=agent, content=one.content, tool_calls=one.calls)
    return [call, *(ChatMessage(role="tool", content=each.content, tool_responses=(each,)) for each in one.responses)]


def _log(message: ChatMessage, agent: str) -> list[ChatMessage]:
    try:
        rounds = msgspec.convert(message.metadata.get(TOOL_LOG, []), list[ToolRound])
    except msgspec.ValidationError:
        return []  # another program's metadata under our key
    return [each for one in rounds for each in round_messages(one, agent)]


def _shown(message: ChatMessage, open_calls: set[str], following: ChatMessage | None) -> Iterator[ChatMessage]:
    for response in message.tool_responses:
        if response.id in open_calls:
            yield ChatMessage(role="tool", content=response.content, tool_responses=(response,))
        else:
            yield ChatMessage(role="user", name=message.name, content=f"{response.name or 'A tool'} answered: {response.content}")
    if message.tool_responses and message.role in ("tool", "function"):
        return  # its content is the responses, joined
    if message.tool_calls:
        answers = {each.id for each in following.tool_responses} if following else set()
        if {call.id for call in message.tool_calls} <= answers:
            yield _bare(message, role="assistant", calls=message.tool_calls)
        else:
            called = "\n".join(f"{call.name}({call.arguments})" for call in message.tool_calls)
            content = f"{message.text}\n{called}".strip()
            yield msgspec.structs.replace(_bare(message, role=message.role), content=content)
        return
    yield _bare(message, role="user" if message.role in ("tool", "function") else message.role)


def _bare(message: ChatMessage, *, role: Role, calls: tuple[ToolCall, ...] = ()) -> ChatMessage:
    content = message.content if message.content is not None else ""
    return ChatMessage(role=role, name=message.name, content=content, tool_calls=calls)


def _shortened(one: ToolRound) -> ToolRound:
    responses = tuple(
        each
        if len(each.content) <= LOGGED
        else msgspec.structs.replace(
            each, content=f"{each.content[:LOGGED]}\n… ({len(each.content) - LOGGED} characters are left out)"
        )
        for each in one.responses
    )
    return msgspec.structs.replace(one, responses=responses)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 1
