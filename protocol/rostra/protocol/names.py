"""Names of peers, topics and patterns (SPEC §3).

A name is what a peer is called on the bus; a topic is dot-separated tokens; a pattern is a topic in which `*` stands for
one token and a final `>` for one or more (NATS's grammar).
"""

import re
from functools import lru_cache

from .errors import BadName

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_TOKEN = re.compile(r"[A-Za-z0-9_:@-]{1,63}\Z")

BROKER = ""
"""The destination that means the broker itself."""

COORDINATOR = "coordinator"
GATEWAY = "models"
RESERVED = frozenset({"all", "any", "broker", "everyone", "nobody", "none", "rostra", "system"})
"""Words that would read as something other than an agent."""

MAX_TOPIC = 255


def check_name(name: str) -> str:
    """Return `name` when a peer may be called so; raise `BadName` otherwise."""
    if not NAME.match(name):
        raise BadName(name, "a name is a lower-case letter, then at most 62 of a-z 0-9 _ -")
    if name in RESERVED:
        raise BadName(name, "this word is reserved")
    return name


@lru_cache(maxsize=4096)  # a publisher says the same topics again and again; a refusal is not kept
def check_topic(topic: str) -> str:
    """Return `topic` when it can be published to; raise `BadName` otherwise."""
    if len(topic) > MAX_TOPIC or not all(_TOKEN.match(token) for token in topic.split(".")):
        raise BadName(topic, "a topic is dot-separated tokens of letters, digits and _ : @ -, 255 bytes at most")
    return topic


def check_pattern(pattern: str) -> str:
    """Return `pattern` when it can be subscribed to; raise `BadName` otherwise."""
    tokens = pattern.split(".")
    if tokens[-1] == ">":
        tokens.pop()
    if len(pattern) > MAX_TOPIC or not all(token == "*" or _TOKEN.match(token) for token in tokens):
        raise BadName(pattern, "a pattern is a topic in which a token may be *, and the last one >")
    return pattern


def literal_prefix(pattern: str) -> str:
    """The part of `pattern` before its first wildcard: what ZeroMQ's prefix filter can do of the match."""
    return re.split(r"[*>]", pattern, maxsplit=1)[0]


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    tokens = pattern.split(".")
    tail = r"(?:\.[^.]+)*" if tokens[-1] == ">" else ""
    if tail:
        tokens[-1] = "*"
    return re.compile(r"\.".join("[^.]+" if token == "*" else re.escape(token) for token in tokens) + tail + r"\Z")


def matches(pattern: str, topic: str) -> bool:
    """Whether `topic` falls under `pattern`."""
    return pattern == topic or _compiled(pattern).match(topic) is not None
