"""API keys: found where the configuration says, and kept out of whatever is shown."""

import os
import re
from pathlib import Path

from .config import ModelConfig

DUMMY = "none"
"""Sent to servers for which no key is configured: most want some key, and ours is not for them."""
_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|r8)[-_][A-Za-z0-9_*-]{8,}|(?<=Bearer )[^\s\"',]+")


class BadKey(ValueError):
    """No key where the configuration says it is."""


def find_key(config: ModelConfig, base: Path) -> str | None:
    """The key for `config`; None: the SDK's own default. `api_key_file` is relative to `base`. Raises `BadKey`.

    The environment's OPENAI_API_KEY is not for a server that the team file names itself, unless the team file says so.
    """
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


def redact(text: str, key: str = "") -> str:
    """`text` without `key` and whatever else looks like one."""
    if len(key) > len(DUMMY):
        text = text.replace(key, "***")
    return _LIKE_A_KEY.sub("***", text)
