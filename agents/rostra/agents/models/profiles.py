"""What OpenAI-compatible servers are capable of, and where they differ."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The capabilities of a server. What a server refuses in so many words is learned while talking to it."""

    stream_usage: bool = True
    """It takes `stream_options` and sends usage in a last chunk."""
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What it calls the limit of an answer's length."""
    json_schema: bool = True
    """It holds an answer to a JSON Schema; otherwise it is told of the schema in words."""
    names: bool = True
    """It takes the `name` of a speaker; otherwise the name is left out."""


PROFILES = {
    "openai": Profile(limit="max_completion_tokens"),
    "ollama": Profile(names=False),
    "vllm": Profile(),
    "llamacpp": Profile(),
    "litellm": Profile(),
    "generic": Profile(json_schema=False),
}


def profile_for(name: str, base_url: str) -> Profile:
    """The profile `name`; when that is empty, the one that `base_url` suggests. Raises KeyError for an unknown name."""
    return PROFILES[name or guess(base_url)]


def guess(base_url: str) -> str:
    """The name of the profile that a `base_url` suggests: the SDK's default is `openai`, what is not recognised `generic`."""
    if not base_url:
        return "openai"
    url = urlsplit(base_url)
    host = url.hostname or ""
    if host.endswith((".openai.com", ".openai.azure.com")):
        return "openai"
    for word in ("ollama", "vllm", "litellm"):
        if word in host:
            return word
    return "ollama" if url.port == 11434 else "generic"
