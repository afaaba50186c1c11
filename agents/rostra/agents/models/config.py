"""The `[models.NAME]` table of a team file."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from .profiles import PROFILES


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens."""

    prompt: float
    completion: float


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model as a team file describes it (docs/models.md). Paths are relative to the team file.

    Raises ValueError (msgspec: `ValidationError`) for keys that do not go together.
    """

    api: Literal["openai", "scripted", "recorded"] = "openai"
    model: str = ""
    """What the server calls the model."""
    base_url: str = ""
    """Of any OpenAI-compatible server; empty: the SDK's own default and environment."""
    api_key_env: str = ""
    """The environment variable that holds the key; empty: the SDK's own, OPENAI_API_KEY."""
    api_key_file: str = ""
    """The file that holds the key, instead."""
    fallback: tuple[str, ...] = ()
    """Other models that are asked, in order, when this one fails."""
    requests_per_minute: float = 0.0
    """On average, retries included; 0: no limit."""
    cache: bool = False
    """An equal request is answered from memory."""
    script: str = ""
    """The TOML file of a scripted model."""
    recording: str = ""
    """The JSON Lines file of a recorded model."""
    speed: float = 1.0
    """How much faster than it was recorded a recording is played; 0: at once."""
    profile: str = ""
    """What the server is capable of (`profiles`); empty: guessed from `base_url`."""
    options: dict[str, Any] = {}
    """Sent with each request unless the request says otherwise: temperature, max_tokens, seed, …"""
    timeout: float = 600.0
    """Seconds that one attempt may take."""
    begin: float = 180.0
    """Seconds that it may take until the answer begins."""
    stall: float = 60.0
    """Seconds of silence within an answer after which the attempt is given up."""
    retries: int = 5
    """How often a failed attempt is repeated."""
    price: Price | None = None
    """Instead of the published price."""

    def __post_init__(self) -> None:
        """Check what goes together."""
        needed = {"openai": "model", "scripted": "script", "recorded": "recording"}[self.api]
        if not getattr(self, needed):
            raise ValueError(f'api = "{self.api}" needs `{needed}`')
        if self.api_key_env and self.api_key_file:
            raise ValueError("`api_key_env` and `api_key_file` exclude each other")
        if self.profile and self.profile not in PROFILES:
            raise ValueError(f"`profile` is one of {', '.join(sorted(PROFILES))}, not {self.profile!r}")
        if self.base_url:
            url = urlsplit(self.base_url)
            if url.scheme not in ("http", "https") or not url.hostname:
                raise ValueError("`base_url` is an http or https address")
            if url.username or url.password:
                raise ValueError("`base_url` carries no credentials: use `api_key_env` or `api_key_file`")
        for key in ("requests_per_minute", "speed", "retries"):
            if getattr(self, key) < 0:
                raise ValueError(f"`{key}` is not negative")
        for key in ("timeout", "begin", "stall"):
            if getattr(self, key) <= 0:
                raise ValueError(f"`{key}` is more than 0")
        if "api_key" in self.options:
            raise ValueError("a key is never part of the team file: use `api_key_env` or `api_key_file`")


def unknown_fallbacks(models: Mapping[str, object]) -> list[tuple[str, str]]:
    """The pairs (model, fallback) in which a model names a fallback that is not there."""
    configs = [(name, config) for name, config in models.items() if isinstance(config, ModelConfig)]
    return [(name, other) for name, config in configs for other in config.fallback if other not in models]
