"""The pieces of an answer, on their way to whoever watches."""

import re
from collections.abc import Callable

_WORD = re.compile(r"\s*\S+(?:\s+\Z)?|\s+\Z")


def split(text: str) -> list[str]:
    """`text` in words with the white space before them; joined they are `text` again."""
    return _WORD.findall(text)


class Shown:
    """Hands pieces on, across several attempts at one answer.

    What was shown cannot be taken back. So an attempt that begins anew stays silent until it is past what is shown already,
    and altogether when it says something else: the finished message then tells.
    """

    def __init__(self, sink: Callable[[str], None]) -> None:
        self.text = ""
        """What has been handed on."""
        self._sink = sink
        self._attempt, self._astray = "", False

    def begin(self) -> None:
        """A new attempt begins."""
        self._attempt, self._astray = "", False

    def __call__(self, piece: str) -> None:
        """The attempt goes on with `piece`."""
        if self._astray or not piece:
            return
        self._attempt += piece
        if self._attempt.startswith(self.text):
            new = self._attempt[len(self.text) :]
            if new:
                self.text = self._attempt
                self._sink(new)
        elif not self.text.startswith(self._attempt):
            self._astray = True

    def finish(self, text: str) -> None:
        """The answer is `text`: whatever of it has not been shown yet is."""
        self.begin()
        self(text)
