"""API keys: found where the configuration says."""

import os
from pathlib import Path

from rostra.protocol import redaction

from .config import ModelConfig

DUMMY = "none"
"""Sent to servers for which no key is configured: most want some key, and ours is not for them."""


class BadKey(ValueError):
    """No key where the configuration says it is."""


def find_key(config: ModelConfig, base: Path) -> str | None:
    """The key for `config`; None: the SDK's own default. `api_key_file` is relative to `base`. Raises `BadKey`.

    The environment's OPENAI_API_KEY is not for a server that the team file names itself, unless the team file says so. From now
    on this process masks the key wherever it would be shown.
    """
    key = _find(config, base)
    if key != DUMMY:
        redaction.learn([key or ""])
    return key


def _find(config: ModelConfig, base: Path) -> str | None:
    if config.api_key_env:
        key = os.environ.get(config.api_key_env, "").strip()
        if not key:
            raise BadKey(f"the environment variable {config.api_key_env} is not set")
        return key
    if config.api_key_file:
        path = base / Path(config.api_key_file).expanduser()
        try:
            key = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadKey(f"no key can be read from {config.api_key_file}: {type(error).__name__}") from None
        if not key or not key.isascii() or not key.isprintable():
            raise BadKey(f"{config.api_key_file} holds no key")
        return key
    return DUMMY if config.base_url else None
