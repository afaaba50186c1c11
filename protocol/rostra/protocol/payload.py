"""What all that travels in bodies has in common."""

import msgspec


class Payload(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of what travels in bodies: a MessagePack map; unknown keys are ignored, absent ones have their default."""


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
