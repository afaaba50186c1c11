"""Who had a name before a newer process took it: it may have slept, and not have heard of it."""

from collections import OrderedDict

MOST = 10_000
"""Processes that are remembered; the one that was succeeded, or lost, longest ago is forgotten first."""


class Succession:
    """Newer is who began later, not who greeted last. `boot`: the identity of a process."""

    def __init__(self) -> None:
        self._over: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._lost: OrderedDict[str, bytes] = OrderedDict()

    def is_over(self, name: str, boot: bytes) -> bool:
        """Whether a newer process has taken the name from this one."""
        return (name, boot) in self._over

    def lost(self, name: str, boot: bytes) -> None:
        """A process that had the name for itself gives no sign of life."""
        self._lost[name] = boot
        if len(self._lost) > MOST:
            self._lost.popitem(last=False)

    def took(self, name: str, boot: bytes, *, of: bytes = b"") -> None:
        """A process has the name now; until then `of` had it, or the one that was lost last."""
        for before in (of, self._lost.pop(name, b"")):
            if before and before != boot:
                self._over[name, before] = None
        while len(self._over) > MOST:
            self._over.popitem(last=False)
