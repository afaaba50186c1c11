"""What a completion used where the server does not say."""

from collections.abc import Iterable

import msgspec

from rostra.protocol import ChatMessage, Usage
from rostra.protocol.completion import Completion, CompletionRequest

CHARACTERS_PER_TOKEN = 4


def tokens_in(characters: int) -> int:
    """About how many tokens so many characters are."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def estimate(request: CompletionRequest, completion: Completion) -> Usage:
    """Usage by the rule of four characters a token, marked as estimated."""
    answer = len(completion.content) + sum(len(call.name) + len(call.arguments) for call in completion.tool_calls)
    tools = sum(len(tool.name) + len(tool.description) + len(msgspec.json.encode(tool.parameters)) for tool in request.tools)
    return Usage(
        model=completion.model,
        prompt_tokens=tokens_in(_characters(request.messages) + tools),
        completion_tokens=tokens_in(answer),
        estimated=True,
    )


def _characters(messages: Iterable[ChatMessage]) -> int:
    return sum(
        len(message.text)
        + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
        + sum(len(response.content) for response in message.tool_responses)
        for message in messages
    )
