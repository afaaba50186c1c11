"""Answers kept in memory, the least recently used forgotten first."""

from collections import OrderedDict

import msgspec

from rostra.protocol.completion import Completion

ENTRIES = 1024


class Cache:
    """Completions by the digest of their request."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._kept: OrderedDict[str, Completion] = OrderedDict()

    def get(self, key: str) -> Completion | None:
        """The completion kept under `key`; its usage says that it is cached, and cost nothing this time."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return msgspec.structs.replace(kept, usage=msgspec.structs.replace(kept.usage, cached=True, cost=0.0))

    def put(self, key: str, completion: Completion) -> None:
        """Keep `completion`."""
        self._kept[key] = completion
        self._kept.move_to_end(key)
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)
